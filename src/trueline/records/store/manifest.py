"""The manifest of a data set: the shards that are whole, and whether more are to come."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.files.hashing import hash_file
from trueline.files.versions import check_version
from trueline.records.store.schema import VERSION

MANIFEST = "manifest.json"

State = Literal["partial", "complete"]


class Shard(Struct, frozen=True):
    """One file of a data set; `hash` is its blake2b-128."""

    name: str
    rows: int
    bytes: int
    hash: str


class Manifest(Struct, frozen=True):
    """What a data set holds; "partial" until the run that writes it has seen all its input.

    `labels` and `appended` are the shards of the label table: those that were written with the
    data, in its order, and those that came later.  `deleted` counts labels that a person has
    asked to be deleted from it.
    """

    trueline: int
    state: State
    shards: tuple[Shard, ...] = ()
    rejects: tuple[Shard, ...] = ()
    labels: tuple[Shard, ...] = ()
    appended: tuple[Shard, ...] = ()
    deleted: int = 0

    @property
    def rows(self) -> int:
        """How many Examples."""
        return sum(shard.rows for shard in self.shards)

    @property
    def rejected(self) -> int:
        """How many Rejects."""
        return sum(shard.rows for shard in self.rejects)

    @property
    def labelled(self) -> int:
        """How many labels, those that no longer count included."""
        return sum(shard.rows for shard in (*self.labels, *self.appended))

    @property
    def labels_only(self) -> bool:
        """Whether the folder holds labels of data that is elsewhere."""
        return bool(self.labels) and not self.shards


def read_manifest(folder: Path) -> Manifest:
    """What the data set holds.  Raises InputError if the folder is none or is newer than we are."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError:
        raise InputError(f"{folder} is not a data set: it has no {MANIFEST}") from None
    try:
        check_version(path, msgspec.json.decode(raw)["trueline"], VERSION)
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}): make the data set again") from error


def write_manifest(folder: Path, found: Manifest) -> None:
    """Replace the manifest; the shards that it lists are whole already."""
    with atomic_write(folder / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def describe_shard(path: Path, rows: int) -> Shard:
    """The entry of a file that is whole."""
    return Shard(path.name, rows, path.stat().st_size, hash_file(path))


def check_shard(folder: Path, shard: Shard) -> Path:
    """The shard's file.  Raises InputError if it is missing or not what the manifest lists."""
    path = folder / shard.name
    if path.parent != folder:
        raise InputError(f"{folder / MANIFEST} lists {shard.name}, which lies elsewhere")
    if not path.is_file():
        raise InputError(f"{path} is missing: {MANIFEST} lists it")
    if path.stat().st_size != shard.bytes or hash_file(path) != shard.hash:
        raise InputError(f"{path} is not what {MANIFEST} lists: it was changed or damaged")
    return path
