"""Bad rows of JSON lines become Rejects with their row; the good ones around them are kept."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from trueline.files import lines
from trueline.files.errors import InputError
from trueline.records.store import jsonl
from trueline.records.types import Example, Message, Reject

one = Example.new([Message("user", "one")])
two = Example.new([Message("user", "two")])


def row(**changes: object) -> bytes:
    return json.dumps(json.loads(jsonl.encode(one)) | changes).encode()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{not json", "not JSON"),
        (b'{"trueline":1}', "not an Example: Object missing required field `id`"),
        (row(prompt="text"), "not an Example: Expected `array`"),
        (row(surprise=1), "not an Example: Object contains unknown field"),
        (row(id="mine"), "id is no content id"),
        (row(prompt=[{"role": "king", "content": "x"}]), "not an Example: Invalid enum value"),
        (row(tags=["a:@"]).replace(b"@", b"\\ud800"), "not JSON of valid Unicode"),
        (row(tags=["a:@"]).replace(b"@", b"\xff"), "not UTF-8"),
        (row(recipe="r")[:-9], "not JSON"),
        (json.dumps({"id": one.id}).encode(), "not an Example: Object missing required field"),
        (b"[1, 2]", "not an Example: Expected `object`"),
    ],
)
def test_a_bad_row_is_a_reject(tmp_path: Path, bad: bytes, reason: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(jsonl.encode(one) + bad + b"\n\n" + jsonl.encode(two))
    first, found, last = jsonl.read(path)
    assert (first, last) == (one, two)
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)
    assert (found.file, found.row) == (str(path), 2)
    assert found.raw


def test_a_torn_last_line_is_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(jsonl.encode(one) + jsonl.encode(two)[:-20])
    first, torn = jsonl.read(path)
    assert first == one
    assert isinstance(torn, Reject)


def test_an_over_long_line_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_LIMIT", 1_000)
    path = tmp_path / "x.jsonl"
    path.write_bytes(jsonl.encode(one) + b"x" * 3_000_000 + b"\n" + jsonl.encode(two))
    first, found, last = jsonl.read(path)
    assert (first, last) == (one, two)
    assert isinstance(found, Reject)
    assert "3,000,001 bytes" in found.message
    assert found.row == 2


def test_a_cut_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    many = [Example.new([Message("user", f"number {i}")]) for i in range(5_000)]
    jsonl.write(path, many)
    path.write_bytes(path.read_bytes()[:-5_000])
    *kept, last = jsonl.read(path)
    assert kept == many[: len(kept)]
    assert len(kept) > 1_000
    assert isinstance(last, Reject)
    assert "breaks off" in last.message
    assert last.row == len(kept) + 1


@pytest.mark.parametrize("more", [{}, {"novelty": [1]}])
def test_a_newer_file_is_refused(tmp_path: Path, more: dict[str, object]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(row(trueline=2, **more))
    with pytest.raises(
        InputError, match="schema version 2, of a newer trueline; this one reads up to 1"
    ):
        list(jsonl.read(path))
    with pytest.raises(InputError, match="schema version 2"):
        list(jsonl.rejects(path))


def test_damaged_rejects_are_told(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    for line in (b"{", b'{"trueline": 1}', b"\xff"):
        path.write_bytes(jsonl.encode(Reject("rules", "short")) + line)
        with pytest.raises(InputError, match="line 2 is no Reject"):
            list(jsonl.rejects(path))


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        jsonl.write(tmp_path / name, [one, two])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    plain = gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).splitlines()
    assert [json.loads(line)["trueline"] for line in plain] == [1, 1]


def test_nothing_appears_where_writing_fails(tmp_path: Path) -> None:
    def failing() -> object:
        yield one
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        jsonl.write(tmp_path / "x.jsonl", failing())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b""])
def test_no_file_and_no_rows(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.jsonl"):
        list(jsonl.read(path))


def test_examples_only(tmp_path: Path) -> None:
    jsonl.write(tmp_path / "x.jsonl", [one])
    assert [type(item) for item in jsonl.read(tmp_path / "x.jsonl")] == [Example]
