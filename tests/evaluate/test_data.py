"""Where rows come from: hashes, pins, shapes of files, damaged ones, and a hub served here."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trueline.evaluate.benchmarks import data
from trueline.evaluate.benchmarks.benchmark import Benchmark, CrossJoin, DataSource
from trueline.evaluate.benchmarks.items import read_items
from trueline.files.errors import InputError
from trueline.files.text import BadRow


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def one(file: DataSource | None = None, hub: DataSource | None = None) -> Benchmark:
    fields: dict[str, Any] = {
        "name": "tea",
        "about": "Tea.",
        "group": "capability",
        "license": "CC0-1.0",
        "citation": "ours",
        "item": {"prompt": "q"},
        "metric": [{"question": "correct", "by": "contains"}],
    }
    return msgspec.structs.replace(msgspec.convert(fields, Benchmark), file=file, hub=hub)


def rows(place: DataSource) -> list[dict[str, Any]]:
    """The fields of the rows of a file that is read for the first time."""
    Path(".trueline/pins.json").unlink(missing_ok=True)
    found = list(data.read_rows(data.find_data(one(place), Path())))
    return [
        {"reject": f.reason, "row": f.number} if isinstance(f, BadRow) else f.fields for f in found
    ]


# ---- hashes and pins -------------------------------------------------------------------------


def test_a_file_is_held_to_its_hash() -> None:
    Path("tea.jsonl").write_text('{"q": "Hot?"}\n')
    digest = hashlib.sha256(b'{"q": "Hot?"}\n').hexdigest()
    found = data.find_data(one(DataSource("tea.jsonl", sha256=digest)), Path())
    assert found.pinned and found.sha256 == digest and not Path(".trueline").exists()
    Path("tea.jsonl").write_text('{"q": "Cold?"}\n')
    with pytest.raises(InputError, match=r"tea: tea.jsonl is not the file .* Get that file again"):
        data.find_data(one(DataSource("tea.jsonl", sha256=digest)), Path())


def test_without_a_hash_the_first_reading_pins_it() -> None:
    Path("tea.jsonl").write_text('{"q": "Hot?"}\n')
    assert not read_items(one(DataSource("tea.jsonl")), Path()).file.pinned
    assert read_items(one(DataSource("tea.jsonl")), Path()).file.pinned
    Path("tea.jsonl").write_text('{"q": "Cold?"}\n')
    with pytest.raises(InputError, match=r"changed since it was first used.*pins.json says"):
        read_items(one(DataSource("tea.jsonl")), Path())


def test_a_file_without_items_is_not_pinned() -> None:
    Path("tea.jsonl").write_text('{"x": "Hot?"}\n')
    with pytest.raises(InputError, match="no row"):
        read_items(one(DataSource("tea.jsonl")), Path())
    Path("tea.jsonl").write_text('{"q": "Hot?"}\n')
    assert len(read_items(one(DataSource("tea.jsonl")), Path()).examples) == 1


@pytest.mark.parametrize("damaged", [b"", b"{", b"[1]", b'{"tea": {"sha": 1}}', b"\xff\xfe"])
def test_a_pins_file_that_is_damaged_stops_the_run(damaged: bytes) -> None:
    Path("tea.jsonl").write_text('{"q": "Hot?"}\n')
    Path(".trueline").mkdir()
    Path(".trueline/pins.json").write_bytes(damaged)
    with pytest.raises(InputError, match=r"pins.json, which holds hashes of data, cannot be read"):
        data.find_data(one(DataSource("tea.jsonl")), Path())
    assert Path(".trueline/pins.json").read_bytes() == damaged, "it is left for its owner to mend"


def test_what_came_with_the_program_is_not_pinned() -> None:
    found = data.find_data(one(DataSource("cli/quickstart_data/heldout.jsonl", bundled=True)), None)
    assert found.pinned and found.origin == "trueline/cli/quickstart_data/heldout.jsonl"
    assert not Path(".trueline").exists()


def test_data_that_are_nowhere_are_absent() -> None:
    with pytest.raises(data.MissingData, match="no --data was given"):
        data.find_data(one(DataSource("tea.jsonl")), None)
    with pytest.raises(data.MissingData, match=r"elsewhere has no tea.jsonl"):
        data.find_data(one(DataSource("tea.jsonl")), Path("elsewhere"))
    for folder in (None, Path()):
        with pytest.raises(data.MissingData, match=r"ways.json is not in"):
            data.find_crossed(one(), CrossJoin("ways.json", 1), folder)


# ---- shapes ----------------------------------------------------------------------------------


def test_nested_objects_name_the_levels_above_their_leaves() -> None:
    Path("a.json").write_text(json.dumps({"x": {"y": ["one", "two"]}, "z": {"w": ["three"]}}))
    assert rows(DataSource("a.json", nest=("kind", "sort", "text"))) == [
        {"kind": "x", "sort": "y", "text": "one"},
        {"kind": "x", "sort": "y", "text": "two"},
        {"kind": "z", "sort": "w", "text": "three"},
    ]
    assert rows(DataSource("a.json", nest=("kind", "rest")))[0] == {
        "kind": "x",
        "y": ["one", "two"],
    }
    Path("b.json").write_text(json.dumps({"about": "tea", "rows": [{"q": 1}, {"q": 2}]}))
    assert [row["q"] for row in rows(DataSource("b.json", at="rows"))] == [1, 2]
    Path("c.json").write_text(json.dumps(["one", "two"]))
    assert rows(DataSource("c.json")) == [{"text": "one"}, {"text": "two"}]


@pytest.mark.parametrize("text", ["", "{", '{"a": 1} {"b": 2}', "[" * 100_000])
def test_a_document_that_is_none(text: str) -> None:
    Path("a.json").write_text(text)
    with pytest.raises(InputError, match=r"a.json"):
        rows(DataSource("a.json", nest=("k",)))


def test_a_part_that_is_not_there() -> None:
    Path("a.json").write_text('{"rows": []}')
    with pytest.raises(InputError, match="has no part 'items'"):
        rows(DataSource("a.json", at="items"))


def test_tables_without_a_header() -> None:
    Path("a.csv").write_text('1,"two, and ""more"""\n3\n5,six\n')
    assert rows(DataSource("a.csv", columns=("n", "said"))) == [
        {"n": "1", "said": 'two, and "more"'},
        {"reject": "malformed: 1 fields, not the 2 that are expected", "row": 2},
        {"n": "5", "said": "six"},
    ]
    Path("a.tsv.gz").write_bytes(gzip.compress(b'"Tea" is hot\tyes\nIt\'s "so\tno\n'))
    assert [row["q"] for row in rows(DataSource("a.tsv.gz", columns=("q", "a")))] == [
        '"Tea" is hot',
        "It's \"so",
    ], "quotes in a TSV file are part of the text"


def test_json_lines_under_another_name() -> None:
    Path("tea.json").write_text('{"q": "a"}\n{"q": "b"}\n')
    assert [row["q"] for row in rows(DataSource("tea.json", lines=True))] == ["a", "b"]
    with pytest.raises(InputError, match="goes on after its first JSON value"):
        rows(DataSource("tea.json"))


def archive(**files: str) -> None:
    with zipfile.ZipFile("a.zip", "w") as made:
        for name, text in files.items():
            made.writestr(name.replace("__", "/") + ".csv", text)


def test_members_of_an_archive() -> None:
    archive(test__tea="Hot?,yes\n", test__milk="Cold?,yes\nWarm?\n", dev__rum="Old?,no\n")
    assert rows(DataSource("a.zip", members="test/*.csv", columns=("q", "a"))) == [
        {"q": "Cold?", "a": "yes", "member": "milk"},
        {"reject": "malformed: 1 fields, not the 2 that are expected", "row": 2},
        {"q": "Hot?", "a": "yes", "member": "tea"},
    ]
    with pytest.raises(InputError, match=r"holds no file named none/\*"):
        rows(DataSource("a.zip", members="none/*", columns=("q", "a")))


def test_an_archive_that_is_damaged() -> None:
    archive(test__tea="Hot?,yes\n" * 500)
    whole = Path("a.zip").read_bytes()
    for number, broken in enumerate((whole[: len(whole) // 2], b"PK\x03\x04", b"")):
        Path(f"b{number}.zip").write_bytes(broken)
        with pytest.raises(InputError, match=r"no whole zip archive"):
            rows(DataSource(f"b{number}.zip", members="test/*", columns=("q", "a")))
    at = whole.index(b"Hot?") + 9
    Path("c.zip").write_bytes(whole[:at] + b"Cold" + whole[at + 4 :])
    with pytest.raises(InputError, match=r"no whole zip archive"):
        rows(DataSource("c.zip", members="test/*", columns=("q", "a")))


# ---- the hub ---------------------------------------------------------------------------------

REVISION = "0123456789abcdef0123456789abcdef01234567"
CONTENTS = b'{"q": "Hot?"}\n'


class Hub(BaseHTTPRequestHandler):
    """As much of a hub as a client needs: what a repository's newest revision is, and one file."""

    def do_HEAD(self) -> None:
        self.do_GET(with_body=False)

    def do_GET(self, with_body: bool = True) -> None:
        if self.path.startswith("/api/datasets/ours/tea"):
            body = json.dumps({"id": "ours/tea", "sha": REVISION, "siblings": []}).encode()
        elif self.path == f"/datasets/ours/tea/resolve/{REVISION}/tea.jsonl":
            body = CONTENTS
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *told: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetched(endpoint: str, path: str = "tea.jsonl") -> str:
    """What a fresh process says that it found: where the hub is, is read when its client loads."""
    code = f"""
        from pathlib import Path
        from trueline.evaluate.benchmarks import data
        from trueline.evaluate.benchmarks.benchmark import DataSource
        from trueline.evaluate.benchmarks.items import read_items
        from tests.evaluate.test_data import one
        try:
            held = read_items(one(hub=DataSource({path!r}, repo="ours/tea")), None)
            said = [example.prompt[0].content for example in held.examples]
            print(held.file.origin, held.file.pinned, said)
        except data.MissingData as error:
            print("absent:", error)
    """
    root = Path(__file__).parents[2]
    env = os.environ | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(Path("cache").resolve()),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(root),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_file_of_the_hub_is_pinned_with_its_revision(hub: str) -> None:
    pytest.importorskip("huggingface_hub")
    assert fetched(hub) == f"hub:ours/tea@{REVISION} False ['Hot?']"
    pin = msgspec.json.decode(Path(".trueline/pins.json").read_bytes(), type=dict[str, data.Pin])
    assert pin == {"tea": data.Pin(hashlib.sha256(CONTENTS).hexdigest(), REVISION)}
    assert fetched(hub) == f"hub:ours/tea@{REVISION} True ['Hot?']"


def test_a_hub_that_cannot_be_reached_and_one_without_the_file(hub: str) -> None:
    pytest.importorskip("huggingface_hub")
    assert fetched("http://127.0.0.1:9").startswith("absent: tea: hub:ours/tea cannot be fetched (")
    assert "cannot be fetched (" in fetched(hub, "coffee.jsonl")
    assert not Path(".trueline/pins.json").exists()
