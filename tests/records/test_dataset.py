"""A data set on disk stays whole, whatever happens to the process that writes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from tests.builders import check_shards

from trueline.files.errors import InputError
from trueline.records.store import dataset, parquet
from trueline.records.store.claim import claim
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Message, Reject

some = [Example.new([Message("user", f"number {i}")]) for i in range(7)]


def write(path: Path, complete: bool = True) -> None:
    writer = dataset.Writer(path, shard_rows=3)
    for example in some:
        writer.add(example)
        writer.reject(Reject("step", "turned away", example))
    writer.close(complete)


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_shards_rejects_and_manifest(tmp_path: Path) -> None:
    write(tmp_path)
    found = read_manifest(tmp_path)
    assert (found.state, found.rows, found.rejected) == ("complete", 7, 7)
    assert [(s.name, s.rows) for s in found.shards] == [
        ("data-00000.parquet", 3),
        ("data-00001.parquet", 3),
        ("data-00002.parquet", 1),
    ]
    assert [reject.example for reject in dataset.rejects(tmp_path)] == some
    listed = {s.name for s in (*found.shards, *found.rejects)}
    assert {path.name for path in tmp_path.iterdir()} == listed | {"manifest.json"}
    metadata = pq.read_schema(tmp_path / "data-00000.parquet").metadata
    assert metadata[b"trueline"] == b"1"


def test_equal_examples_give_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_an_unfit_example_goes_to_the_rejects(tmp_path: Path) -> None:
    bad = msgspec.structs.replace(some[0], tags=("a:\ud800",))
    writer = dataset.Writer(tmp_path)
    assert writer.add(bad) is not None
    writer.reject(Reject("step", "why", bad))
    writer.close(complete=True)
    first, second = dataset.rejects(tmp_path)
    assert "lone surrogate" in first.message
    assert (second.step, second.message) == ("step", "why")
    assert list(dataset.read(tmp_path)) == []


KILLED = """
import os, signal
from pathlib import Path
from trueline.records.store import dataset
from trueline.records.store.claim import claim
from trueline.records.types import Example
from trueline.records.types import Message
with claim(Path({path!r}), "run"):
    writer = dataset.Writer(Path({path!r}), shard_rows=2)
    for i in range(5):
        writer.add(Example.new([Message("user", f"number {{i}}")]))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_kill_manifest_and_shards_agree_and_the_run_continues(tmp_path: Path) -> None:
    path = tmp_path / "set"
    assert python(KILLED.format(path=str(path))).returncode == -signal.SIGKILL
    assert read_manifest(path).state == "partial"
    check_shards(path)
    assert list(dataset.read(path)) == some[:4]
    with claim(path, "run") as held:
        assert held.resumed
        write(path)
    check_shards(path)
    assert list(dataset.read(path)) == some
    assert not [p for p in path.iterdir() if p.name.endswith(".part")]


FULL = """
import resource
from pathlib import Path
from trueline.records.store import dataset
from trueline.records.types import Example
from trueline.files.errors import InputError
from trueline.records.types import Message
import os
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
writer = dataset.Writer(Path({path!r}), shard_rows=5)
try:
    for i in range(40):
        noise = os.urandom(400 if i < 20 else 200_000).hex()
        writer.add(Example.new([Message("user", noise)]))
    writer.close(True)
except InputError as error:
    print(error)
"""


def test_a_disk_that_refuses_leaves_only_whole_shards_listed(tmp_path: Path) -> None:
    path = tmp_path / "set"
    done = python(FULL.format(path=str(path)))
    assert done.stdout.startswith(f"cannot write {path}/data-00004.parquet: File too large.")
    found = read_manifest(path)
    assert (found.state, found.rows) == ("partial", 20)
    check_shards(path)
    assert not list(path.glob(".*.part"))


def test_a_claimed_folder_is_refused_to_a_second_process(tmp_path: Path) -> None:
    other = (
        "from pathlib import Path; from trueline.records.store.claim import claim\n"
        f"with claim(Path({str(tmp_path / 'set')!r}), 'run'): pass"
    )
    with claim(tmp_path / "set", "run"):
        assert "another process is writing" in python(other).stderr
    assert python(other).returncode == 0


def test_what_is_not_ours_or_done_is_refused(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not empty"), claim(tmp_path / "foreign", "run"):
        pass
    assert [p.name for p in (tmp_path / "foreign").iterdir()] == ["thesis.txt"]
    done = tmp_path / "done"
    with claim(done, "run", "trueline build"):
        write(done)
    with pytest.raises(InputError, match="is finished"), claim(done, "run"):
        pass
    with (
        pytest.raises(InputError, match="another command by: trueline build"),
        claim(done, "other"),
    ):
        pass


def test_a_refusal_names_the_settings_that_differ(tmp_path: Path) -> None:
    here = {"temperature": 0.7, "model nano": "a" * 32, "texts": ["new.txt", "c" * 32]}
    there = here | {"temperature": 0.0, "texts": ["old.txt", "d" * 32]}
    with claim(tmp_path, "one", "trueline build x", there):
        write(tmp_path)
    with (
        pytest.raises(InputError) as caught,
        claim(tmp_path, "two", "trueline build x", here),
    ):
        pass
    assert str(caught.value) == (
        f"{tmp_path} was begun by another command: trueline build x with temperature: 0.0 there, "
        '0.7 here; texts: ["old.txt", "dddddddd…"] there, ["new.txt", "cccccccc…"] here. Choose '
        "another output folder"
    )


def test_where_a_run_has_left_no_row_another_may_begin(tmp_path: Path) -> None:
    path = tmp_path / "set"
    with claim(path, "run", "a longer command than the next"):
        dataset.Writer(path).close(complete=False)
    with claim(path, "mended") as held:
        assert not held.resumed
        writer = dataset.Writer(path)
        writer.reject(Reject("read", "blank"))
        writer.close(complete=False)
    with claim(path, "mended") as held:
        assert held.resumed
    with pytest.raises(InputError, match="another command"), claim(path, "run"):
        pass


def test_a_new_run_is_no_continuation(tmp_path: Path) -> None:
    with claim(tmp_path / "set", "run") as held:
        assert not held.resumed


def test_reading_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json"):
        list(dataset.read(tmp_path))
    (tmp_path / "manifest.json").write_text('{"trueline": 9}')
    with pytest.raises(InputError, match="schema version 9"):
        read_manifest(tmp_path)
    for raw in (b'{"trueline": 1}', b'{"trueline": 1, "state": "\xff"}', b"[]", b""):
        (tmp_path / "manifest.json").write_bytes(raw)
        with pytest.raises(InputError, match="damaged"):
            read_manifest(tmp_path)


def test_verify_finds_a_changed_and_a_missing_shard(tmp_path: Path) -> None:
    write(tmp_path)
    shard = tmp_path / "data-00001.parquet"
    raw = shard.read_bytes()
    shard.write_bytes(raw[:50] + bytes([raw[50] ^ 1]) + raw[51:])
    for use in (check_shards, lambda path: list(dataset.read(path))):
        with pytest.raises(InputError, match="was changed or damaged"):
            use(tmp_path)
    shard.unlink()
    for use in (check_shards, lambda path: list(dataset.read(path))):
        with pytest.raises(InputError, match="missing"):
            use(tmp_path)


def test_a_newer_and_a_foreign_parquet_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    parquet.write(path, some)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"trueline": "2"}), path)
    with pytest.raises(InputError, match="schema version 2"):
        list(parquet.read(path))
    pq.write_table(table.drop_columns(["labels"]), path)
    with pytest.raises(InputError, match="no column 'labels'"):
        list(parquet.read(path))
    pq.write_table(table.replace_schema_metadata({}), path)
    with pytest.raises(InputError, match="not written by trueline"):
        list(parquet.read(path))
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="no readable Parquet"):
        list(parquet.read(path))


def test_a_start_that_wrote_nothing_leaves_the_folder_to_the_mended_command(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with claim(path, "too large for the memory"):
        (path / "run.json").write_text("{}")
    with claim(path, "mended") as held:
        assert not held.resumed
        (path / "checkpoints").mkdir()
    with (
        pytest.raises(InputError, match="begun by another command"),
        claim(path, "a third"),
    ):
        pass
