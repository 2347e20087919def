"""The version that every file of ours carries, and the error for one that is newer."""

from __future__ import annotations

from pathlib import Path

from trueline.files.errors import InputError

VERSION = 1
"""The schema version written as `trueline` into JSONL rows, Parquet metadata and manifests."""


def check_version(path: Path, found: int) -> None:
    """Raise InputError where a file was written by a newer trueline than this one, or by none."""
    if found < 1:
        raise InputError(f"{path} has schema version {found}, which never was: it is damaged")
    if found > VERSION:
        raise InputError(
            f"{path} has schema version {found}; this trueline reads up to {VERSION}: "
            "upgrade it (pip install -U trueline)"
        )
