"""Where the tests of the suite find items: real data where they are, else tiny files of ours that
have the shape of a hub's."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from trueline.evaluate.benchmarks.benchmark import Benchmark

TINY = Path(__file__).parent / "tiny"
SAME = {
    "bbq": "bbq",
    "jbb": "jbb",
    "mmlu-health": "mmlu",
    "or-bench": "or-bench",
    "sycophancy-nlp": "sycophancy",
    "sycophancy-politics": "sycophancy",
}
"""Tiny files that several benchmarks share, by the beginning of their names."""


def tiny_file(one: Benchmark) -> Path:
    """The file that has the shape of the benchmark's on the hub."""
    assert one.hub is not None
    stem = next((stem for begin, stem in SAME.items() if one.name.startswith(begin)), one.name)
    if one.hub.path.startswith("advanced-ai-risk/"):
        stem = "advanced-ai-risk"
    [found] = TINY.glob(f"{stem}.*")
    return found


def from_hub(one: Benchmark, folder: Path) -> Benchmark:
    """The benchmark with its hub's place in this folder, filled from the tiny file: in Parquet
    where the hub has Parquet."""
    assert one.hub is not None
    path, made = tiny_file(one), folder / one.hub.path
    made.parent.mkdir(parents=True, exist_ok=True)
    if made.suffix == ".parquet":
        rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        pq.write_table(pa.Table.from_pylist(rows), made)
    elif made.suffix == ".gz":
        import gzip

        made.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    else:
        shutil.copy(path, made)
    local = msgspec.structs.replace(one.hub, repo=None, revision=None, sha256=None)
    return msgspec.structs.replace(one, file=local, hub=None, cross=None)
