"""Data for tests, and checks that several of them make."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from trueline.models.contract import Model
from trueline.models.scripted import Scripted
from trueline.records.store.manifest import check_shard, read_manifest
from trueline.records.types import Example


def check_shards(folder: Path) -> None:
    """Raises InputError if a shard is missing or is not what the manifest lists."""
    found = read_manifest(folder)
    for shard in (*found.shards, *found.rejects, *found.labels, *found.appended):
        check_shard(folder, shard)


def unsign(examples: Iterable[Example]) -> list[Example]:
    """The Examples as they were before a run signed their labels, which have no ids here."""
    return [
        msgspec.structs.replace(
            example,
            labels=tuple(
                msgspec.structs.replace(label, id="", writer=None, sequence=0)
                for label in example.labels
            ),
        )
        for example in examples
    ]


def name_model(name: str) -> Model:
    """A model that is only named: a call of it is a fault of the test."""

    def refuse(*_: object) -> str:
        raise AssertionError(f"{name} was called")

    return Scripted(refuse, identity=name)
