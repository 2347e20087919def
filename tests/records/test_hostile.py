"""Files that nobody should give us, through the command line: refused with a message, or their
rows turned away one by one; never a traceback, never a row without a trace."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.builders import check_shards

from trueline.cli import app
from trueline.files.errors import InputError
from trueline.files.hashing import hash_file
from trueline.records.store import dataset, jsonl, parquet
from trueline.records.store.manifest import MANIFEST, read_manifest
from trueline.records.types import Example, Message

one, two = (Example.new([Message("user", text)]) for text in ("one", "two"))
OURS = jsonl.encode(one) + jsonl.encode(two)
COLUMNS = ("--from", "columns", "--map", "prompt=q")
TEXTS = ("--from", "columns", "--map", "prompt=text")
ESCAPE = "\x1b[31m\u202e"

Make = bytes | pa.Table | Callable[[Path], object]


def trueline(*arguments: str | Path) -> int:
    """The exit code of the command line, in this process."""
    before, sys.argv = sys.argv, ["trueline", *map(str, arguments)]
    try:
        app.run()
    except SystemExit as done:
        return int(done.code or 0)
    finally:
        sys.argv = before
    return 0


def made(path: Path, content: Make) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        content(path)
    return path


def tame(text: str) -> bool:
    """Whether a terminal would show the text and not obey it."""
    return text.replace("\n", "").isprintable()


def ours(**columns: pa.Array) -> Callable[[Path], object]:
    """Our Parquet with some columns replaced."""

    def make(path: Path) -> None:
        parquet.write(path, [one, two])
        table = pq.read_table(path)
        for name, column in columns.items():
            table = table.set_column(table.schema.get_field_index(name), name, column)
        pq.write_table(table, path)

    return make


def versioned(number: int, file: str) -> Callable[[Path], object]:
    """A data set whose manifest, or shard alone, is of another schema version."""

    def make(path: Path) -> None:
        writer = dataset.Writer(path)
        writer.add(one)
        writer.close(complete=True)
        if file == "manifest":
            place = path / MANIFEST
            old = b'"trueline": 1'
            assert old in place.read_bytes()
            place.write_bytes(place.read_bytes().replace(old, b'"trueline": %d' % number))
            return
        shard = path / "data-00000.parquet"
        newer = pq.read_table(shard).replace_schema_metadata({"trueline": str(number)})
        pq.write_table(newer, shard)
        found = read_manifest(path).shards[0]
        listed = (path / MANIFEST).read_text()
        listed = listed.replace(found.hash, hash_file(shard))
        listed = listed.replace(f'"bytes": {found.bytes}', f'"bytes": {shard.stat().st_size}')
        (path / MANIFEST).write_text(listed)

    return make


def manifest(raw: bytes) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        path.mkdir()
        (path / MANIFEST).write_bytes(raw)

    return make


def half(path: Path) -> None:
    parquet.write(path, [one, two])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bound(path: Path) -> None:
    """A socket; its name may be longer than an address allows, so it is bound from its folder."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def loop(path: Path) -> None:
    path.symlink_to(path)


WIDE = "q\né\n".encode("utf-16")
REFUSED: list[tuple[str, Make, tuple[str, ...], str]] = [
    ("none.csv", b"", COLUMNS, "is empty"),
    ("none.jsonl", b"", (), "is empty"),
    ("none.jsonl.gz", gzip.compress(b""), (), "holds no rows"),
    ("none.csv.gz", gzip.compress(b""), COLUMNS, "holds no rows"),
    ("none.parquet", pa.table({"q": pa.array([], pa.string())}), COLUMNS, "holds no rows"),
    *((f"blank{s}", b"\n \n\n", COLUMNS, "holds no rows") for s in (".csv", ".tsv", ".jsonl")),
    ("blank.txt", b"\n \n\n", TEXTS, "holds no rows"),
    ("blank.json", b"\n \n\n", COLUMNS, "neither a JSON array"),
    ("ours.jsonl", b"\n \n\n", (), "holds no rows"),
    *((f"wide{s}", WIDE, TEXTS, r"in UTF-16: convert it") for s in (".csv", ".json", ".txt")),
    ("wide.jsonl", OURS.decode().encode("utf-16"), (), "in UTF-16: convert it to UTF-8"),
    ("big.csv", b"\xfe\xff" + "q\n".encode("utf-16-be"), COLUMNS, "in UTF-16"),
    ("four.csv", "q\n".encode("utf-32"), COLUMNS, "in UTF-32"),
    ("plain.csv.gz", b"q\nx\n", COLUMNS, "is not gzip: rename it without .gz"),
    ("plain.jsonl.gz", OURS, (), "is not gzip"),
    ("plain.parquet.gz", b"PAR1", COLUMNS, "is not gzip"),
    ("packed.csv", gzip.compress(b"q\nx\n"), COLUMNS, "is gzip: add .gz to its name"),
    ("packed.jsonl", gzip.compress(OURS), (), "is gzip"),
    ("mac.csv", b"q\rx\ry\r", COLUMNS, "convert them to LF"),
    ("half.parquet", half, (), "no readable Parquet"),
    ("half.parquet", half, COLUMNS, "no readable Parquet"),
    ("foreign.parquet", pa.table({"q": ["x"]}), (), "not written by trueline"),
    ("twice.parquet", pa.Table.from_arrays([pa.array(["x"])] * 2, ["q", "q"]), COLUMNS, "twice"),
    ("numbers.parquet", ours(id=pa.array([1, 2])), (), "damaged in row 1"),
    ("names.parquet", ours(id=pa.array([one.id, "mine"])), (), "damaged in row 2.*no content id"),
    ("null.parquet", ours(labels=pa.array([[], None])), (), "damaged in row 2"),
    ("strings.parquet", ours(labels=pa.array([["x"], []])), (), "damaged in row 1"),
    ("task.parquet", ours(task=pa.array(["{}", None])), (), "damaged in row 1"),
    ("newer", versioned(2, "manifest"), (), "schema version 2, .*upgrade"),
    ("newer", versioned(2, "shard"), (), "schema version 2, .*upgrade"),
    ("zero.jsonl", OURS.replace(b'"trueline":1', b'"trueline":0'), (), "which never was"),
    ("newer.jsonl", OURS.replace(b'"trueline":1', b'"trueline":2'), (), "schema version 2"),
    ("deep", manifest(b'{"trueline":1,"x":' + b"[" * 100_000), (), "is damaged"),
    (
        "outside",
        manifest(
            b'{"trueline":1,"state":"complete","shards":'
            b'[{"name":"../x.parquet","rows":1,"bytes":0,"hash":""}]}'
        ),
        (),
        "lies elsewhere",
    ),
    ("a.csv", b"q,a\nx,y\n", ("--from", "columns", "--map", "prompt=z"), "no column 'z'"),
    ("a.csv", f"q,{ESCAPE}\nx,y\n".encode(), ("--from", "hh-rlhf"), "no column"),
    (f"{ESCAPE}\nb.csv", b"a\nx\n", COLUMNS, "no column 'q'"),
    ("bad\udcff.csv", b"q\nx\n", COLUMNS, "is not UTF-8: choose another"),
    ("gone.csv", lambda path: None, COLUMNS, "No such file"),
    ("gone", lambda path: None, (), "No such file"),
    (f"{'x' * 300}.csv", lambda path: None, COLUMNS, "File name too long"),
    ("folder.csv", Path.mkdir, COLUMNS, "is a folder"),
    ("folder", Path.mkdir, (), "is not a data set"),
    ("pipe.csv", os.mkfifo, COLUMNS, "neither a file nor a folder"),
    ("pipe.jsonl", os.mkfifo, (), "neither a file nor a folder"),
    ("pipe.parquet", os.mkfifo, (), "neither a file nor a folder"),
    ("socket.csv", bound, COLUMNS, "neither a file nor a folder"),
    ("endless.csv", lambda p: p.symlink_to("/dev/zero"), COLUMNS, "neither a file nor a folder"),
    ("loop.csv", loop, COLUMNS, "symbolic links"),
    ("loop.jsonl", loop, (), "symbolic links"),
    ("loop", loop, (), "symbolic links"),
]


@pytest.mark.parametrize(("name", "content", "options", "message"), REFUSED)
def test_refused(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: Make,
    options: tuple[str, ...],
    message: str,
) -> None:
    source = made(tmp_path / name, content)
    for out in ("set", "out.jsonl"):
        assert trueline("convert", source, tmp_path / out, *options) == 2
        said = capfd.readouterr()
        assert tame(said.out + said.err)
        assert "Traceback" not in said.err
        told = said.err.replace("\n", " ")
        assert "trueline: " in told
        assert re.search(message, told), told
        assert not [*tmp_path.glob("out.*"), *tmp_path.glob(".out.*")]
        if (tmp_path / "set").exists():  # what was sound before the damage is there, as unfinished
            assert read_manifest(tmp_path / "set").state == "partial"
            check_shards(tmp_path / "set")


DEEP = b"[" * 200_000 + b"]" * 200_000
TRAIL = gzip.compress(b"q\nx\n") + b"not gzip"
CUT: list[tuple[str, Make, tuple[str, ...], int, list[tuple[int | None, str]]]] = [
    ("bytes.csv", b"q\nx\n\xff\ny\n", COLUMNS, 2, [(2, "not UTF-8")]),
    ("latin.json", '[{"q":"é"},{"q":"x"}]'.encode("latin-1"), COLUMNS, 1, [(1, "not valid JSON")]),
    ("mark.csv", b"\xef\xbb\xbfq\nx\n", COLUMNS, 1, []),
    ("mark.jsonl", b"\xef\xbb\xbf" + OURS, (), 2, []),
    ("blank.csv", b"\n \nq,a\nx,y\n,z\n", COLUMNS, 1, [(2, "q is blank")]),
    ("ragged.csv", b"q,a\nx\ny,z,w\nk,l\n", COLUMNS, 1, [(1, "malformed"), (2, "malformed")]),
    ("padded.csv.gz", gzip.compress(b"q\nx\n") + b"\0" * 512, COLUMNS, 1, []),
    ("several.csv.gz", gzip.compress(b"q\nx\n") + gzip.compress(b"y\n"), COLUMNS, 2, []),
    ("trail.csv.gz", TRAIL, COLUMNS, 1, [(2, "the gzip file breaks off")]),
    ("half.jsonl.gz", gzip.compress(OURS)[:-9], (), 2, [(3, "the gzip file breaks off")]),
    ("nul.csv", b"q\na\0b\n\x1b[2J\n", COLUMNS, 2, []),
    ("nul.jsonl", b'{"q":"a\\u0000b"}\n{"q":"a\0b"}\n', COLUMNS, 1, [(2, "not valid JSON")]),
    ("lone.jsonl", b'{"q":"\\ud800"}\n{"q":"x"}\n', COLUMNS, 1, [(1, "not valid JSON")]),
    ("lone2.jsonl", OURS.replace(b"one", b"\\udfff"), (), 1, [(1, "not JSON of valid Unicode")]),
    ("nan.jsonl", b'{"q":NaN}\n{"q":"x"}\n', COLUMNS, 1, [(1, "not valid JSON")]),
    ("huge.jsonl", b'{"q":' + b"9" * 5_000 + b'}\n{"q":"x"}\n', COLUMNS, 1, [(1, "not valid")]),
    ("deep.jsonl", b'{"q":%s}\n{"q":"x"}\n' % DEEP, COLUMNS, 1, [(1, "not valid JSON")]),
    ("deep2.jsonl", OURS.replace(b'"one"', DEEP), (), 1, [(1, "not an Example")]),
    ("deep.json", b'[{"q":"x"},{"q":%s}]' % DEEP, COLUMNS, 1, [(2, "the JSON breaks off")]),
    ("html.csv", b"q\n<script>alert(1)</script>\n", COLUMNS, 1, []),
    ("same.csv", b"q\nx\nx\nx\n", COLUMNS, 3, []),
    ("same.jsonl", OURS * 2, (), 4, []),
    (f"{ESCAPE}\n.csv", f"q,{ESCAPE}\nx,y\nz\n".encode(), COLUMNS, 1, [(2, "malformed")]),
    (
        "time.parquet",
        pa.table({"q": ["x", "y"], "t": pa.array([2**62, 0], pa.timestamp("us"))}),
        COLUMNS,
        1,
        [(1, "no value of Python's")],
    ),
]


@pytest.mark.parametrize(("name", "content", "options", "kept", "turned"), CUT)
def test_every_row_is_kept_or_told(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: Make,
    options: tuple[str, ...],
    kept: int,
    turned: list[tuple[int | None, str]],
) -> None:
    source, out = made(tmp_path / name, content), tmp_path / "set"
    assert trueline("convert", source, out, *options) == (1 if turned else 0)
    said = capfd.readouterr()
    assert tame(said.out + said.err)
    assert read_manifest(out).rows == kept
    found = list(dataset.rejects(out))
    assert [reject.row for reject in found] == [row for row, _ in turned]
    for reject, (_, reason) in zip(found, turned, strict=True):
        assert reject.message.startswith(reason), reject.message
        assert reject.file is not None
        assert Path(reject.file) == source
    assert trueline("convert", source, tmp_path / "x.jsonl", *options) == (1 if turned else 0)
    assert list(jsonl.read(tmp_path / "x.jsonl")) == list(dataset.read(out))
    assert trueline("show", out, "--reveal") == 0
    assert tame(capfd.readouterr().out)


def test_equal_rows_are_numbered(tmp_path: Path) -> None:
    source = made(tmp_path / "x.csv", b"q\nx\nx\nx\n")
    assert trueline("convert", source, tmp_path / "set", *COLUMNS) == 0
    names = [example.id for example in dataset.read(tmp_path / "set")]
    assert names == [names[0], f"{names[0]}-1", f"{names[0]}-2"]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("file/set", "Not a directory"),
        ("file/x.jsonl", "Not a directory"),
        ("/proc/trueline", "No such file"),
        ("/proc/trueline.jsonl", "No such file"),
        ("x" * 300, "File name too long"),
        ("x" * 250 + ".jsonl", "File name too long"),
        ("loop", "File exists"),
        ("bad\udcff", "not UTF-8: choose another"),
        ("bad\udcff.jsonl", "not UTF-8: choose another"),
    ],
)
def test_a_place_that_cannot_be_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], out: str, message: str
) -> None:
    source = made(tmp_path / "x.csv", b"q\nx\n")
    (tmp_path / "file").touch()
    loop(tmp_path / "loop")
    assert trueline("convert", source, tmp_path / out, *COLUMNS) == 2
    said = capfd.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_what_is_no_file_is_never_replaced_by_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(InputError, match="it is no file"), jsonl.appending(path):
            pass
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("out", "message"), [(".", "OUT is a new file"), ("x.doc", "OUT ends in .jsonl")]
)
def test_an_out_that_is_no_table_is_told_before_anything_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    out: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = made(tmp_path / "x.jsonl", OURS)
    assert trueline("convert", source, out, "--to", "trl-prompt-only") == 2
    said = capfd.readouterr().err
    assert message in said and len(said.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read and write everything")
def test_what_may_not_be_read_or_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = made(tmp_path / "x.csv", b"q\nx\n")
    (tmp_path / "locked").mkdir(mode=0o500)
    for out in ("locked/set", "locked/x.jsonl"):
        assert trueline("convert", source, tmp_path / out, *COLUMNS) == 2
        assert "Permission denied. Make room or choose another" in capfd.readouterr().err
    source.chmod(0)
    assert trueline("convert", source, tmp_path / "set", *COLUMNS) == 2
    assert "Permission denied" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("wide.csv", WIDE, "in UTF-16"),
        ("pipe.csv", os.mkfifo, "neither a file nor a folder"),
        ("loop.csv", loop, "symbolic links"),
        ("none.csv", b"", "is empty"),
        ("blank.csv", b"q\n\n", "holds no rows"),
        ("other.csv", b"a\nx\n", "no column 'q'"),
        ("bad\udcff.csv", b"q\nx\n", "not UTF-8"),
    ],
)
def test_a_build_refuses_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: Make, message: str
) -> None:
    source = made(tmp_path / name, content)
    options = ("--text-field", "q", "--reverse", "nano:reverse", "--expert", "nano")
    asked = ("build", "safer-instruct", "--texts", source, "--out", tmp_path / "set", *options)
    assert trueline(*asked) == 2
    said = capfd.readouterr().err
    assert message in said
    assert tame(said)
    assert not (tmp_path / "set").exists()


PEAK = """
import os, subprocess, sys
made = subprocess.Popen([sys.executable, "-m", "trueline", *sys.argv[1:]], stderr=2, stdout=2)
_, status, used = os.wait4(made.pid, 0)
print(used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""The peak of a process is measured from a small one: a child inherits its parent's."""


@pytest.mark.parametrize("suffix", ["ours", ".jsonl", ".csv", ".json", ".txt", ".csv.gz"])
def test_a_row_of_100_mb_is_refused_within_bounded_memory(tmp_path: Path, suffix: str) -> None:
    long = "é".encode() * (50 * 2**20)
    lines = long.replace("é".encode() * 50, "é".encode() * 49 + b"\n")
    options = {"ours": (), ".txt": TEXTS}.get(suffix, COLUMNS)
    source = tmp_path / ("x.jsonl" if suffix == "ours" else f"x{suffix}")
    source.write_bytes(
        {
            "ours": jsonl.encode(one) + jsonl.encode(two).replace(b"two", long),
            ".jsonl": b'{"q":"a"}\n{"q":"%s"}\n' % long,
            ".csv": b"q\na\n%s\n" % long,
            ".json": b'[{"q":"a"},{"q":"%s"}]' % long,
            ".txt": b"a\n\n%s" % lines,
            ".csv.gz": gzip.compress(b'q,b\na,c\n"%s",d\n' % lines, 1),
        }[suffix]
    )
    out = tmp_path / "set"
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "convert", source, out, *options],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert int(done.stdout) < 10**9
    assert read_manifest(out).rows >= 1
    first = next(dataset.rejects(out))
    assert first.row in (2, 3)
    assert any(word in first.message for word in ("over-long", "is a quote left open"))
    assert len(json.dumps(first.raw)) < 10**6
