"""The versions that files of ours carry."""

from __future__ import annotations

from pathlib import Path

from trueline.files.errors import InputError


def check_version(path: Path, version: int, newest: int, kind: str = "schema") -> None:
    """Raises InputError if a file is of a newer trueline than this one, or of none.

    `newest` is the version of this `kind` of file that this trueline writes.
    """
    if version < 1:
        raise InputError(f"{path} has {kind} version {version}, which never was: it is damaged")
    if version > newest:
        raise InputError(
            f"{path} has {kind} version {version}, of a newer trueline; this one reads up to "
            f"{newest}: upgrade it (pip install -U trueline)"
        )
