"""Values of options that are read alike by several commands."""

from __future__ import annotations

from trueline.files.errors import InputError


def mapping(given: list[str]) -> dict[str, list[str]]:
    """`--map PART=COLUMN`, repeated, as a mapping from parts to their columns."""
    found: dict[str, list[str]] = {}
    for one in given:
        part, equals, column = one.partition("=")
        if not (part and equals and column):
            raise InputError(f"--map {one}: write it PART=COLUMN, as in --map prompt=question")
        found.setdefault(part, []).append(column)
    return found


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
