"""Values of options that are read alike by several commands."""

from __future__ import annotations

from trueline.files.errors import InputError


def limit(given: str, rows: int) -> float:
    """`--max-rejects` in rows: a number of them, or a share ("5%", "0.05") of all."""
    try:
        if given.endswith("%"):
            share = float(given[:-1]) / 100
        else:
            share = float(given) if "." in given else int(given)
        if not 0 <= share < float("inf"):
            raise ValueError
    except ValueError:
        raise InputError(
            f"--max-rejects {given}: write a number, or a share as 5% or 0.05"
        ) from None
    return share if isinstance(share, int) else share * rows
