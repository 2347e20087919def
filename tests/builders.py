"""Data for tests, and checks that several of them make."""

from __future__ import annotations

from pathlib import Path

from trueline.records.store.manifest import check_shard, read_manifest


def check_shards(folder: Path) -> None:
    """Raises InputError if a shard is missing or is not what the manifest lists."""
    found = read_manifest(folder)
    for shard in (*found.shards, *found.rejects, *found.labels, *found.appended):
        check_shard(folder, shard)
