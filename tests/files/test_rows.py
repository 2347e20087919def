"""Foreign files as rows: every row in, bad ones as BadRows with their number."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.records.strategies import texts

from trueline.files import csv_rows, json_documents, lines
from trueline.files import rows as rows_
from trueline.files.errors import InputError
from trueline.files.rows import Row, rows
from trueline.files.text import BadRow


def read(path: Path, content: bytes) -> list[Row | BadRow]:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return list(rows(path))


def fields(found: list[Row | BadRow]) -> list[dict[str, object] | str]:
    return [row.reason.split(":")[0] if isinstance(row, BadRow) else row.fields for row in found]


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", b'\xef\xbb\xbfa,b\n1,"two\nlines, ""quoted"""\n\nx,\xc3\xa9\n'),
        ("x.tsv", b'a\tb\r\n1\t"two\nlines, ""quoted"""\r\nx\t\xc3\xa9'),
        ("x.jsonl", b'{"a":"1","b":"two\\nlines, \\"quoted\\""}\n{"a":"x","b":"\xc3\xa9"}'),
        ("x.json", b'[{"a":"1","b":"two\\nlines, \\"quoted\\""} , {"a":"x","b":"\xc3\xa9"}]\n'),
    ],
)
def test_tables(tmp_path: Path, name: str, content: bytes, end: str) -> None:
    found = read(tmp_path / f"{name}{end}", content)
    assert fields(found) == [{"a": "1", "b": 'two\nlines, "quoted"'}, {"a": "x", "b": "é"}]
    assert [row.number for row in found if isinstance(row, Row)] == [1, 2]


@pytest.mark.parametrize("end", ["", ".gz"])
def test_parquet(tmp_path: Path, end: str) -> None:
    given = [{"a": str(i), "b": [{"role": "user", "content": "é"}]} for i in range(600)]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(given), buffer)
    assert fields(read(tmp_path / f"x.parquet{end}", buffer.getvalue())) == given


def test_a_parquet_that_is_damaged_inside_is_told_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with pq.ParquetWriter(path, pa.schema([("q", pa.string())])) as writer:
        for i in range(4):
            writer.write_table(pa.table({"q": [f"{i} {j}" for j in range(256)]}))
    raw = path.read_bytes()
    place = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    path.write_bytes(raw[:place] + b"\xff" * 40 + raw[place + 40 :])
    found = rows(path)
    with pytest.raises(InputError, match=r"damaged after row \d+"):
        list(found)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_any_csv_that_python_writes_is_read_back(
    tmp_path: Path, given: list[tuple[str, str]]
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("a", "b"), *given])
    assert fields(read(tmp_path / "x.csv", out.getvalue().encode())) == [
        {"a": a, "b": b} for a, b in given
    ]


def test_a_huge_field(tmp_path: Path) -> None:
    text = "x" * 5_000_000
    assert fields(read(tmp_path / "x.csv", f"a\n{text}\n".encode())) == [{"a": text}]


def test_bad_csv_rows(tmp_path: Path) -> None:
    content = b'a,b\n1,2\n\xff,3\n4\n5,6,7\n"8"x,9\n10,11\n"open,\n12,13\n'
    found = read(tmp_path / "x.csv", content)
    assert fields(found) == [
        {"a": "1", "b": "2"},
        "not UTF-8",
        "malformed",
        "malformed",
        "malformed",
        {"a": "10", "b": "11"},
        "malformed",
    ]
    rejects = [row for row in found if isinstance(row, BadRow)]
    assert [bad.number for bad in rejects] == [2, 3, 4, 5, 7]
    assert [reject.raw for reject in rejects][::4] == ["\\xff,3\n", '"open,\n12,13\n']


def test_an_over_long_csv_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trueline.files import csv_rows

    monkeypatch.setattr(csv_rows, "LINE_LIMIT", 1_000)
    content = b"a,b\n1,2\n" + b"x," * 3_000 + b"\n3,4\n"
    assert fields(read(tmp_path / "x.csv", content)) == [
        {"a": "1", "b": "2"},
        "over-long",
        {"a": "3", "b": "4"},
    ]


@pytest.mark.parametrize(
    ("name", "content"), [("x.csv", b'a,b\n1,2\n"'), ("x.txt", b"one\n\ntwo\n\n")]
)
def test_short_lines_without_end_take_no_more_memory_than_a_long_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    """A quote left open, or a paragraph, over lines of two bytes: as Python objects they would be
    twenty times as large."""

    limit = 2**20
    for module in (csv_rows, rows_):
        monkeypatch.setattr(module, "LINE_LIMIT", limit)
    path = tmp_path / name
    path.write_bytes(content + b"xy\n" * limit)
    tracemalloc.start()
    try:
        found = next(row for row in rows(path) if isinstance(row, BadRow))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.number == (2 if name == "x.csv" else 5)
    assert "quote left open" in found.reason or "over-long" in found.reason
    assert peak < 12 * limit


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a,a\n1,2\n", "column 'a' twice"), (b"\xff\n1\n", "header"), (b"a,b\n", "holds no rows")],
)
def test_a_csv_without_a_use(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path / "x.csv", content)


def test_texts_by_line_and_by_paragraph(tmp_path: Path) -> None:
    lines_ = read(tmp_path / "a.txt", b"one\ntwo\n\xff\nfour\n\n\n")
    assert fields(lines_) == [{"text": "one"}, {"text": "two"}, "not UTF-8", {"text": "four"}]
    paragraphs = read(tmp_path / "b.txt", "one\ntwo\n\n \nthrée\n".encode())
    assert fields(paragraphs) == [{"text": "one\ntwo"}, {"text": "thrée"}]
    assert [row.number for row in paragraphs if isinstance(row, Row)] == [1, 5]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (["a", "b"], [{"text": "a"}, {"text": "b"}]),
        ({"k": {"q": 1}, "l": {"q": 2}}, [{"key": "k", "q": 1}, {"key": "l", "q": 2}]),
        ({"k": ["a"], "l": [{"q": 2}]}, [{"key": "k", "text": "a"}, {"key": "l", "q": 2}]),
        ({"q": "x", "n": 1}, [{"q": "x", "n": 1}]),
        ([1, {"q": 2}], ["neither an object nor a text", {"q": 2}]),
    ],
)
def test_shapes_of_json(tmp_path: Path, document: object, expected: list[object]) -> None:
    assert fields(read(tmp_path / "x.json", json.dumps(document).encode())) == expected


def test_json_is_streamed_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "CHUNK", 7)
    given = [{"n": i, "text": "é" * i, "deep": [[i], {"x": -1.5e3}]} for i in range(40)]
    raw = json.dumps(given, ensure_ascii=False, indent=1).encode()
    assert fields(read(tmp_path / "x.json", raw)) == given
    assert fields(read(tmp_path / "y.json", b"[12345678, 123]")) == [
        "neither an object nor a text",
        "neither an object nor a text",
    ]


def test_bad_json(tmp_path: Path) -> None:
    found = read(tmp_path / "x.json", b'[{"a": "\\ud800"}, {"a": NaN}, {"a": "\xff"}, {"a": 1}]')
    assert fields(found) == ["not valid JSON in UTF-8"] * 3 + [{"a": 1}]
    torn = read(tmp_path / "y.json", b'[{"a": 1}, {"a": ')
    assert fields(torn)[0] == {"a": 1}
    assert isinstance(torn[1], BadRow)
    assert (torn[1].number, "breaks off" in torn[1].reason) == (2, True)
    assert fields(read(tmp_path / "v.json", b'["a"] ["b"]'))[0] == {"text": "a"}
    assert isinstance(read(tmp_path / "v.json", b'["a"] ["b"]')[1], BadRow)
    with pytest.raises(InputError, match=r"JSON lines end in \.jsonl"):
        read(tmp_path / "z.json", b'{"a": 1}\n{"a": 2}')
    with pytest.raises(InputError, match="neither a JSON array nor one JSON object"):
        read(tmp_path / "w.json", b"hello")


@pytest.mark.parametrize("name", ["x.csv.gz", "x.jsonl.gz", "x.txt.gz", "x.json.gz"])
def test_a_cut_gzip(tmp_path: Path, name: str) -> None:
    many = [{"a": f"text number {i * i}"} for i in range(20_000)]
    table = {
        ".csv": "a\n" + "\n".join(row["a"] for row in many),
        ".jsonl": "\n".join(map(json.dumps, many)),
        ".txt": "\n".join(row["a"] for row in many),
        ".json": json.dumps(many),
    }[Path(name).suffixes[0]]
    path = tmp_path / name
    path.write_bytes(gzip.compress(table.encode())[:-9_000])
    *kept, last = rows(path)
    assert len(kept) > 1_000
    assert all(isinstance(row, Row) for row in kept)
    assert isinstance(last, BadRow)
    assert "breaks off" in last.reason
    assert last.number == len(kept) + 1


@pytest.mark.parametrize("name", ["x.xlsx", "x", "x.gz"])
def test_an_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"should end in \.csv, \.tsv, \.jsonl"):
        read(tmp_path / name, b"a")


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.txt", "x.jsonl.gz"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"empty|holds no rows"):
        read(tmp_path / name, b"")


def test_a_missing_file_and_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        list(rows(tmp_path / "x.csv"))
    (row,) = read(tmp_path / "x.csv", b"a,b\n1,2\n")
    assert isinstance(row, Row)
    with pytest.raises(InputError, match="no column 'c': it has 'a', 'b'"):
        row.text("c")


def test_the_limit_is_shared() -> None:
    assert lines.LINE_LIMIT == 64 * 2**20
