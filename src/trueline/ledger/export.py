"""The ledger's contents in files that other tools read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from trueline.files.errors import InputError
from trueline.files.write import Columns, is_parquet, table
from trueline.ledger.store import connect, unreadable

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
What = Literal["answers", "attempts"]

_SELECT: dict[What, str] = {
    "answers": "SELECT lower(hex(key)) AS key, run, model, time, answer FROM answers "
    "ORDER BY rowid",
    "attempts": "SELECT * FROM attempts ORDER BY id",
}
# A row that has every column with its type: what Parquet's schema is made of.
_LIKE: dict[What, dict[str, Any]] = {
    "answers": {"key": "", "run": "", "model": "", "time": "", "answer": ""},
    "attempts": {
        "id": 0, "run": "", "model": "", "time": "", "outcome": "", "error": "", "prompt": 0,
        "completion": 0, "money": 0.0, "seconds": 0.0, "answers": 0,
    },
}  # fmt: skip


def export(ledger: Path, out: Path, what: What = "answers") -> int:
    """Write all answers, or all attempts, to a new file by its suffix, and return how many.

    In the order in which they were booked; times are UTC.  An answer is JSON: an object in JSON
    lines, its text in Parquet.  Streamed, and of one moment, also while a run is at work.  Raises
    InputError where OUT exists or its suffix is of no known kind, and where the ledger cannot be
    read.
    """
    if not out.name.endswith(SUFFIXES):
        raise InputError(f"{out}: the file's name must end in {', '.join(SUFFIXES)}")
    if out.exists():
        raise InputError(f"{out} exists: nothing is overwritten, choose another name")
    columns = Columns(arrow=is_parquet(out))
    columns.see(_LIKE[what])
    count = 0
    with closing(connect(ledger, write=False)) as opened, table(out, columns) as add:
        for row in _rows(opened, ledger, what):
            if what == "answers":
                answer = _json(ledger, row)
                row["answer"] = answer.decode() if is_parquet(out) else msgspec.Raw(answer)
            add(row)
            count += 1
    return count


def _rows(opened: sqlite3.Connection, ledger: Path, what: What) -> Iterator[dict[str, Any]]:
    try:
        found = opened.execute(_SELECT[what])
        names = [name for name, *_ in found.description]
        for values in found:
            row = dict(zip(names, values, strict=True))
            at = datetime.fromtimestamp(row["time"], UTC)
            yield row | {"time": at.isoformat(timespec="milliseconds")}
    except sqlite3.Error as error:
        raise unreadable(ledger, error) from error


def _json(ledger: Path, row: dict[str, Any]) -> bytes:
    """The answer, sure to be one line of JSON."""
    try:
        return msgspec.json.encode(msgspec.json.decode(row["answer"]))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InputError(f"{ledger}: the answer {row['key']} is damaged: {error}") from error
