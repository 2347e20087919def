"""Loading: what a path is, and rows in = rows out."""

from __future__ import annotations

import json
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


TRANSCRIPTS = {
    name: f"\n\nHuman: how?\n\nAssistant: {text}"
    for name, text in (("chosen", "so"), ("rejected", "no"))
}
ALPACA = {"instruction": "how?", "context": "", "response": "so", "category": "open_qa"}


@pytest.mark.parametrize(
    ("row", "mend"),
    [
        (ALPACA, "--from columns --map prompt=COLUMN"),
        (TRANSCRIPTS, "--from hh-rlhf reads it"),
        ({"prompt": "how?", "chosen": "so", "rejected": "no"}, "--from trl-preference"),
        ({"id": "7", "prompt": "how?"}, "--from trl-prompt-only reads it"),
    ],
)
def test_a_file_of_another_tool_is_told_at_its_first_row(
    tmp_path: Path, row: dict[str, str], mend: str
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([json.dumps(row)] * 3))
    columns = ", ".join(map(repr, row))
    with pytest.raises(InputError, match=f"its first row has the columns {columns}; ") as error:
        load(path)
    assert mend in str(error.value)


def test_a_damaged_first_row_of_ours_is_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    jsonl.write(path, some)
    for first in (b"{", b'{"trueline":1,"prompt":[]}', b"[]", b"\xff"):
        lines = [first, *path.read_bytes().splitlines()[-3:]]
        path.write_bytes(b"\n".join(lines) + b"\n")
        found = list(load(path))
        assert isinstance(found[0], Reject) and found[1:] == some


def test_the_format_that_can_read_a_file_is_named_if_another_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"chosen":"\\n\\nHuman: a\\n\\nAssistant: b","rejected":"c"}\n')
    with pytest.raises(InputError, match=r"no column 'messages': it has 'chosen', 'rejected'$"):
        list(load(path, "openai-chat"))
    path.write_text('{"prompt":"how?"}\n')
    with pytest.raises(InputError, match=r"no column 'messages'.*; --from trl-prompt-only "):
        list(load(path, "openai-chat"))


def test_the_columns_that_a_named_format_would_not_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"prompt": "How long does tea steep?", "responses": ["Four minutes."]}\n')
    with pytest.raises(InputError, match="--from trl-prompt-only reads it, but not 'responses'"):
        list(load(path))
