"""A data set on disk: a folder of Parquet shards, rejects beside them, and a manifest.

The manifest lists only what is whole, so that after any interruption it and the shards agree.
One process at a time writes to a folder, and only the run that began it may continue it.
"""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from trueline.files.atomic import PART, AtomicFile, atomic_write, os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.files.hashing import hash_file
from trueline.files.text import check_path_encodable
from trueline.records.store import jsonl
from trueline.records.store.schema import VERSION, check_version
from trueline.records.store.validate import new_reject, storable_reject, why_invalid
from trueline.records.types import Example, Reject

MANIFEST, CLAIM = "manifest.json", "claim.json"


class Shard(Struct, frozen=True):
    """One file of a data set; `hash` is its blake2b-128."""

    name: str
    rows: int
    bytes: int
    hash: str


class Manifest(Struct, frozen=True):
    """What a data set holds; "partial" until the run that writes it has seen all its input."""

    trueline: int
    state: Literal["partial", "complete"]
    shards: tuple[Shard, ...] = ()
    rejects: tuple[Shard, ...] = ()

    @property
    def rows(self) -> int:
        """How many Examples."""
        return sum(shard.rows for shard in self.shards)

    @property
    def rejected(self) -> int:
        """How many Rejects."""
        return sum(shard.rows for shard in self.rejects)


# ---- writing ---------------------------------------------------------------------------------


class _Kind:
    """One series of shards: the one being written, and those that are whole."""

    def __init__(self, folder: Path, pattern: str, sink: Callable[[Any], Any]) -> None:
        self.folder, self.pattern, self._sink = folder, pattern, sink
        self.whole: list[Shard] = []
        self.rows = 0
        self._fresh: AtomicFile | None = None
        self._open: Any = None

    def add(self, record: Example | Reject, size: int) -> None:
        if self._fresh is None:
            self._fresh = AtomicFile(self.folder / self.pattern.format(len(self.whole)))
        with os_errors_as_input_errors(self._fresh.path):
            if self._open is None:
                self._open = self._sink(self._fresh.file)
            self._open.add(record, size)
        self.rows += 1

    def finish(self) -> None:
        """Commit the open shard, if there is one."""
        if self._fresh is None:
            return
        with os_errors_as_input_errors(self._fresh.path):
            self._open.close()
        self._fresh.commit()
        path = self._fresh.path
        self.whole.append(Shard(path.name, self.rows, path.stat().st_size, hash_file(path)))
        self._fresh, self._open, self.rows = None, None, 0

    def discard(self) -> None:
        if self._fresh is not None:
            self._fresh.discard()
        self._fresh, self._open, self.rows = None, None, 0


class _Lines:
    """Rejects into an open file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def add(self, found: Reject, size: int) -> None:
        self._file.write(jsonl.encode(found))

    def close(self) -> None:
        self._file.flush()


class Writer:
    """Writes a data set from its beginning: what the folder held of an earlier try goes.

    Shards appear whole, when full and on `close`; equal Examples give equal bytes.  Where a shard
    cannot be written (InputError: the disk is full), those before it stay listed and whole.
    """

    def __init__(self, folder: Path, shard_rows: int = 10_000) -> None:
        from trueline.records.store.parquet import Sink  # loads pyarrow

        self.folder, self._limit = folder, shard_rows
        with os_errors_as_input_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._data = _Kind(folder, "data-{:05d}.parquet", Sink)
        self._rejects = _Kind(folder, "rejects-{:05d}.jsonl", _Lines)
        self._list("partial")
        self._sweep()

    def add(self, example: Example) -> Reject | None:
        """Append an Example; one that could not be read back (a lone surrogate, a NaN) goes to
        the rejects instead, and is returned as that Reject."""
        if (reason := why_invalid(example)) is not None:
            turned = new_reject("write", reason, example)
            self.reject(turned)
            return turned
        self._add(self._data, example)
        return None

    def reject(self, reject: Reject) -> None:
        """Append a Reject, beside the data."""
        self._add(self._rejects, storable_reject(reject))

    def close(self, complete: bool) -> None:
        """Finish the open shards and say whether this is all; a later call may say so still."""
        try:
            self._data.finish()
            self._rejects.finish()
        except InputError:
            self._data.discard()
            self._rejects.discard()
            raise
        self._list("complete" if complete else "partial")

    def _add(self, kind: _Kind, record: Example | Reject) -> None:
        try:
            kind.add(record, _size(record))
            if kind.rows >= self._limit:
                kind.finish()
                self._list("partial")
        except InputError:
            kind.discard()
            raise

    def _list(self, state: Literal["partial", "complete"]) -> None:
        whole = tuple(self._data.whole), tuple(self._rejects.whole)
        found = Manifest(VERSION, state, *whole)
        with atomic_write(self.folder / MANIFEST) as file:
            file.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")

    def _sweep(self) -> None:
        """Remove what an interrupted run left; the manifest lists none of it any more."""
        for pattern in ("data-*.parquet", "rejects-*.jsonl", f".*{PART}"):
            for path in self.folder.glob(pattern):
                with os_errors_as_input_errors(path):
                    path.unlink()


def _size(record: Example | Reject) -> int:
    return len(msgspec.json.encode(record))


# ---- one run, one folder ---------------------------------------------------------------------


class Claim(Struct, frozen=True):
    """A run's hold on its output folder; `resumed` where an earlier try of it was interrupted."""

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
    path = folder / CLAIM
    with os_errors_as_input_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not path.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and was not written by trueline: choose another output folder"
        )
    with os_errors_as_input_errors(path):
        file = path.open("a+b", buffering=0)
    with file:  # closing it gives the lock back
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process is writing to {folder}: wait, or choose another output folder"
            ) from None
        file.seek(0)
        earlier = _earlier(folder, file.read(), claimed)
        if earlier is None:
            with os_errors_as_input_errors(path):
                file.truncate(0)
                _write(file, msgspec.json.encode(claimed) + b"\n")
        yield Claim(folder, identity, resumed=earlier is not None)


def _write(file: Any, raw: bytes) -> None:
    """All or nothing: half a claim would be nobody's."""
    try:
        while raw:
            raw = raw[file.write(raw) :]
    except OSError:
        file.truncate(0)
        raise


def _earlier(folder: Path, found: bytes, claimed: _Claimed) -> _Claimed | None:
    """The unfinished run of this identity that the folder holds, None if it holds nothing."""
    if not found.strip():
        return None
    try:
        earlier = msgspec.json.decode(found, type=_Claimed)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InputError(
            f"{folder / CLAIM} is not a claim of trueline's: choose another output folder"
        ) from None
    if earlier.identity != claimed.identity:
        if _nothing(folder):
            return None
        raise InputError(
            f"{folder} was begun by another command{_describe_mismatch(earlier, claimed)}. Choose "
            "another output folder"
        )
    if (folder / MANIFEST).exists() and manifest(folder).state == "complete":
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
    return f": {there.command} with {'; '.join(differences)}"


def _format_setting(value: Any) -> str:
    """A setting for people: digests are cut to eight digits."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{24,}\b", r"\1…", text)


def _nothing(folder: Path) -> bool:
    """Whether a run has begun the folder and left no row in it, as where its first row ended it:
    the mended command may have the folder then."""
    if not (folder / MANIFEST).exists():
        return False
    found = manifest(folder)
    return found.state == "partial" and not (found.shards or found.rejects)


# ---- reading ---------------------------------------------------------------------------------


def manifest(folder: Path) -> Manifest:
    """What the data set holds; InputError where the folder is none or is newer than we are."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError:
        raise InputError(f"{folder} is not a data set: it has no {MANIFEST}") from None
    try:
        check_version(path, msgspec.json.decode(raw)["trueline"])
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}): make the data set again") from error


def read(folder: Path) -> Iterator[Example]:
    """The Examples that the manifest lists, streamed; a partial data set gives what it has (its
    manifest says so).  InputError at a shard that is missing or not what the manifest lists."""
    from trueline.records.store import parquet  # loads pyarrow

    for shard in manifest(folder).shards:
        yield from parquet.read(_listed(folder, shard))


def rejects(folder: Path) -> Iterator[Reject]:
    """The Rejects beside the Examples, streamed."""
    for shard in manifest(folder).rejects:
        yield from jsonl.rejects(_listed(folder, shard))


def verify(folder: Path) -> None:
    """Compare every shard with the manifest; InputError names the first that differs."""
    found = manifest(folder)
    for shard in (*found.shards, *found.rejects):
        _listed(folder, shard)


def _listed(folder: Path, shard: Shard) -> Path:
    """The shard's file, which is what the manifest lists."""
    path = folder / shard.name
    if path.parent != folder:
        raise InputError(f"{folder / MANIFEST} lists {shard.name}, which lies elsewhere")
    if not path.is_file():
        raise InputError(f"{path} is missing: {MANIFEST} lists it")
    if path.stat().st_size != shard.bytes or hash_file(path) != shard.hash:
        raise InputError(f"{path} is not what {MANIFEST} lists: it was changed or damaged")
    return path
