"""Loading: what a path is, and rows in = rows out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.formats.load import load
from trueline.records.store import dataset, jsonl, parquet
from trueline.records.types import Example, Message, Reject

some = [Example.new([Message("user", f"number {i}")]) for i in range(3)]


def test_ours(tmp_path: Path) -> None:
    writer = dataset.Writer(tmp_path / "set")
    for example in some:
        writer.add(example)
    writer.close(complete=True)
    jsonl.write(tmp_path / "x.jsonl.gz", some)
    parquet.write(tmp_path / "x.parquet", some)
    for name in ("set", "x.jsonl.gz", "x.parquet"):
        assert list(load(tmp_path / name)) == some


def test_equal_rows_get_occurrence_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("q,a,more\n" + "same,same,1\n" * 3 + "other,same,\n,x,\n")
    unread: Counter[str] = Counter()
    found = list(load(path, "columns", {"prompt": ["q"], "response": ["a"]}, unread))
    first, second, third, other = (item for item in found if isinstance(item, Example))
    assert (second.id, third.id) == (f"{first.id}-1", f"{first.id}-2")
    assert other.id != first.id
    assert isinstance(found[-1], Reject)
    assert unread == {"more": 5}


def test_a_later_row_without_a_column_is_turned_away_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"q":"a"}\n{"other":"b"}\n"c"\n{"q":"d"}\n')
    found = list(load(path, "columns", {"prompt": ["q"]}))
    assert [isinstance(item, Example) for item in found] == [True, False, False, True]
    turned_away = [item for item in found if isinstance(item, Reject)]
    assert [reject.row for reject in turned_away] == [2, 3]
    assert {reject.message for reject in turned_away} == {"the row has no column 'q'"}
    assert turned_away[0].raw == '{"other":"b"}'
    path.write_text('{"other":"b"}\n{"q":"a"}\n')
    with pytest.raises(InputError, match="no column 'q': it has 'other'"):
        list(load(path, "columns", {"prompt": ["q"]}))


@pytest.mark.parametrize(
    ("name", "format", "mapping", "message"),
    [
        ("x.csv", None, None, "with --from, one of columns"),
        ("gone", None, None, "No such file"),
        ("x.csv", None, {"prompt": ["q"]}, "--map needs --from columns"),
        (".", "trl-preference", None, "is a folder"),
        (".", None, None, "is not a data set"),
    ],
)
def test_what_cannot_be_loaded(
    tmp_path: Path, name: str, format: str | None, mapping: dict[str, list[str]], message: str
) -> None:
    (tmp_path / "x.csv").write_text("q\nx\n")
    with pytest.raises(InputError, match=message):
        list(load(tmp_path / name, format, mapping))
