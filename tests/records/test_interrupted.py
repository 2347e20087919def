"""Whatever stops a run that writes a data set, and wherever: what the manifest lists is whole, and
the same command again gives what an undisturbed run gives."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.builders import check_shards
from tests.records import faults
from tests.records.test_hostile import tame, trueline

from trueline.records.store import dataset
from trueline.records.store.manifest import MANIFEST, read_manifest

ROWS = "".join(f"question {i},{'answer ' * (i % 7)}\n" for i in range(10))


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of sound and blank rows, to be written in shards of four."""
    monkeypatch.setattr(dataset, "Writer", partial(dataset.Writer, shard_rows=4))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # a busy disk would take minutes
    path = tmp_path / "rows.csv"
    path.write_text(f"q,a\n{ROWS}")
    return path


def convert(source: Path, out: Path) -> int:
    mapped = ("--map", "prompt=q", "--map", "response=a")
    return trueline("convert", source, out, "--from", "columns", *mapped, "--max-rejects", "100%")


def content(out: Path) -> dict[str, bytes]:
    """What is in a data set, but for the record of the run, which holds times."""
    return {p.name: p.read_bytes() for p in out.iterdir() if p.name != "run.json"}


def sound(out: Path) -> None:
    """What the manifest lists is whole and can be read, whatever else lies there."""
    if (out / MANIFEST).exists():
        check_shards(out)
        found = read_manifest(out)
        assert found.rows == sum(1 for _ in dataset.read(out))
        assert found.rejected == sum(1 for _ in dataset.rejects(out))


def ends_like(source: Path, out: Path, whole: Path) -> None:
    """The data set is sound, and complete once the same command has run again; it may be complete
    already, where nothing failed but the last sync."""
    sound(out)
    listed = out / MANIFEST
    if not (listed.exists() and read_manifest(out).state == "complete"):
        assert convert(source, out) == 0
    assert content(out) == content(whole)


def test_a_disk_that_is_full_at_any_operation(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with faults.at(-1, faults.full) as operations:
        assert convert(source, tmp_path / "whole") == 0
    assert operations[0] > 40
    for number in range(operations[0]):
        out = tmp_path / f"out-{number}"
        capsys.readouterr()
        with faults.at(number, faults.full):
            assert convert(source, out) == 2
        said = capsys.readouterr()
        assert "cannot write" in said.err
        assert "No space left on device. Make room" in said.err
        assert tame(said.err)
        assert not list(out.glob(".*.part"))
        ends_like(source, out, tmp_path / "whole")


@pytest.fixture
def limited() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_files_that_may_not_grow(
    source: Path, tmp_path: Path, limited: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel refuses what goes beyond a size: a write may then be done by half."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert convert(source, tmp_path / "whole") == 0
    longest = max(path.stat().st_size for path in (tmp_path / "whole").iterdir())
    for size in (0, 1, 20, 60, *range(100, longest, 1_000), longest - 1):
        out = tmp_path / f"out-{size}"
        capsys.readouterr()
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
        try:
            assert convert(source, out) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        said = capsys.readouterr().err
        assert "cannot write" in said and "File too large. Make room" in said
        ends_like(source, out, tmp_path / "whole")


KILLS = """
import os, random, sys, time
from functools import partial
from pathlib import Path
from tests.records import faults
from tests.records.test_interrupted import convert, ends_like
from trueline.records.store import dataset

dataset.Writer = partial(dataset.Writer, shard_rows=4)
os.fsync = lambda descriptor: None
sys.stdout = sys.stderr = open(os.devnull, "w")
source, place = Path(sys.argv[1]), Path(sys.argv[2])


def child(work):  # all work is done in children: a process with Arrow's threads may not fork
    made = os.fork()
    if made == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return made


def run(out, number=-1):
    with faults.at(number, faults.kill) as operations:
        code = convert(source, out)
    (place / "operations").write_text(str(operations[0]))
    return code


def again(out):
    ends_like(source, out, place / "whole")
    return 0


def ended(made):
    return os.waitstatus_to_exitcode(os.waitpid(made, 0)[1])


start = time.monotonic()
assert ended(child(lambda: run(place / "whole"))) == 0
took, count = time.monotonic() - start, int((place / "operations").read_text())
assert count > 40
for number in range(count):
    out = place / f"at-{number}"
    assert ended(child(lambda: run(out, number))) == -9
    assert ended(child(lambda: again(out))) == 0, number
draw = random.Random(1)
for number in range(20):
    out = place / f"random-{number}"
    made = child(lambda: run(out))
    time.sleep(draw.uniform(0, took))
    os.kill(made, 9)
    if ended(made) == -9:
        assert ended(child(lambda: again(out))) == 0, number
print(count, file=sys.__stdout__)
"""


@pytest.mark.slow
def test_a_process_that_dies_at_any_operation_or_moment(source: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(source), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40
