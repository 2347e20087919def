"""One run, one folder: a run's hold on the folder that it writes to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.atomic import PART, atomic_write, os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.files.text import check_path_encodable
from trueline.records.store.manifest import MANIFEST, read_manifest

CLAIM, LOCK = "claim.json", ".lock"


class Claim(Struct, frozen=True):
    """A run's hold on its output folder; `resumed` if an earlier try of it was interrupted."""

    folder: Path
    identity: str
    resumed: bool


class _Claimed(Struct, frozen=True):
    identity: str
    command: str = ""
    settings: dict[str, Any] = {}


@contextmanager
def claim(
    folder: Path, identity: str, command: str = "", settings: Mapping[str, Any] | None = None
) -> Iterator[Claim]:
    """Hold an output folder while a run writes to it.

    `identity` is the run's; `settings` are what it is made of: options, inputs, models, versions,
    as plain data, so that a refusal can name those that differ.  Starts in a new or empty folder,
    and in one where an earlier run wrote no rows; resumes an unfinished run of the same identity.
    Raises InputError if another process holds the folder, or if it is finished, of another run,
    or not ours.
    """
    claimed = _Claimed(identity, command, msgspec.to_builtins(settings or {}, enc_hook=str))
    check_path_encodable(folder)
    with os_errors_as_input_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CLAIM).exists() and any(not _is_ours(path) for path in folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and was not written by trueline: choose another output folder"
        )
    with lock_folder(folder):
        earlier = _read_claim(folder, claimed)
        if earlier is None:
            with atomic_write(folder / CLAIM) as file:
                file.write(msgspec.json.encode(claimed) + b"\n")
        yield Claim(folder, identity, resumed=earlier is not None)


@contextmanager
def lock_folder(folder: Path, timeout: float = 0) -> Iterator[None]:
    """Hold a folder alone, waiting up to `timeout` seconds; the system gives it back if this
    process dies.  Raises InputError if another process keeps it."""
    from filelock import FileLock, Timeout

    # a file of its own: on Windows a locked file cannot be read by others
    lock = FileLock(folder / LOCK)
    with os_errors_as_input_errors(folder / LOCK):
        try:
            lock.acquire(timeout=timeout, poll_interval=0.02)
        except Timeout:
            raise InputError(
                f"another process is writing to {folder}: wait, or choose another output folder"
            ) from None
    try:
        yield
    finally:
        lock.release()


RECORD = "run.json"
"""The record of a run, in its folder."""


def _is_ours(path: Path) -> bool:
    """Whether an interrupted start leaves such a file in a folder that holds no claim yet."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(PART))


def _read_claim(folder: Path, claimed: _Claimed) -> _Claimed | None:
    """The unfinished run of this identity that the folder holds, None if it holds nothing."""
    path = folder / CLAIM
    if not path.exists():
        return None
    try:
        earlier = msgspec.json.decode(path.read_bytes(), type=_Claimed)
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        raise InputError(
            f"{path} is not a claim of trueline's: choose another output folder"
        ) from None
    if earlier.identity != claimed.identity:
        if _is_without_rows(folder):
            return None
        raise InputError(
            f"{folder} was begun by another command{_describe_mismatch(earlier, claimed)}. Choose "
            "another output folder"
        )
    if (folder / MANIFEST).exists() and read_manifest(folder).state == "complete":
        raise InputError(
            f"{folder} is finished: choose another output folder, or remove it to redo it"
        )
    return earlier


def _describe_mismatch(there: _Claimed, here: _Claimed) -> str:
    """How two runs differ: their commands, or the settings that are not the same."""
    if there.command != here.command or not there.settings:
        return f" by: {there.command}" if there.command else ""
    names = dict.fromkeys([*there.settings, *here.settings])
    differences = [
        f"{name}: {_format_setting(there.settings.get(name))} there, "
        f"{_format_setting(here.settings.get(name))} here"
        for name in names
        if there.settings.get(name) != here.settings.get(name)
    ]
    unlike = "; ".join(differences) or "another version of trueline"
    return f": {there.command} with {unlike}"


def _format_setting(value: Any) -> str:
    """A setting for people: digests are cut to eight digits."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{24,}\b", r"\1…", text)


def _is_without_rows(folder: Path) -> bool:
    """Whether a run began the folder and left no row in it, as if its first row ended it: the
    mended command may have the folder then."""
    if not (folder / MANIFEST).exists():
        return all(_is_ours(path) or path.name in (CLAIM, RECORD) for path in folder.iterdir())
    found = read_manifest(folder)
    return found.state == "partial" and not (found.shards or found.rejects or found.labels)
