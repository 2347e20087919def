"""Examples from wherever they are: a data set of ours, JSON lines, Parquet, an outside file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from trueline.files.errors import InputError
from trueline.files.lines import check_regular_file
from trueline.files.rows import NoColumn, Row, rows
from trueline.files.text import BadRow
from trueline.formats.contract import ColumnMapping, Format, Questions, reject_row
from trueline.formats.registry import find_definition, find_format, format_names
from trueline.records.labels import with_effective_labels
from trueline.records.occurrences import Occurrences
from trueline.records.store import dataset, jsonl
from trueline.records.store.validate import reject_bad_row
from trueline.records.types import Example, Reject

COLUMNS = "columns"
"""The format that reads any table, once it is told which column is which."""


def load(
    path: Path,
    format: str | None = None,
    mapping: ColumnMapping | None = None,
    unread: Counter[str] | None = None,
    questions: Questions | None = None,
    *,
    all_labels: bool = False,
) -> Iterator[Example | Reject]:
    """Every row of a source, streamed, as an Example or as a Reject with its reason.

    Without a `format` the source is ours: a folder, or a file in .jsonl(.gz) or .parquet.  With
    one it is an outside file: equal rows get occurrence numbers, labels in mapped columns are held
    to the `questions` of their ids, and `unread` counts the rows with columns that the format does
    not read.  Examples have the labels that count, or, with `all_labels`, every statement.

    Raises InputError if the source is not what it should be; the first row shows whether it is.
    """
    if mapping and format is None:
        raise InputError("--map needs --from columns")
    reader = None if format is None else find_format(format, mapping, questions)
    check_regular_file(path)
    if reader is not None:
        if path.is_dir():
            raise InputError(f"{path} is a folder: --from {format} reads one file at a time")
        return read_file(path, reader, unread)
    if path.is_dir():
        return dataset.read(path, all_labels=all_labels)
    suffix = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])
    if suffix in (".jsonl", ".jsonl.gz"):
        items = _check_ours(path, jsonl.read(path))
    elif suffix == ".parquet":
        from trueline.records.store import parquet  # loads pyarrow

        items = parquet.read(path)
    else:
        raise _unknown(path)
    return items if all_labels else map(_with_effective_labels, items)


def _with_effective_labels(item: Example | Reject) -> Example | Reject:
    return with_effective_labels(item) if isinstance(item, Example) else item


def _unknown(path: Path) -> InputError:
    return InputError(
        f"{path} is no data set of ours (a folder, .jsonl, .jsonl.gz or .parquet): say what it is "
        f"with --from, one of {', '.join(format_names())} (if a command has no --from, "
        "run `trueline convert` first)"
    )


def read_file(
    path: Path, format: Format, unread: Counter[str] | None = None
) -> Iterator[Example | Reject]:
    """The rows of an outside file in a format; see `load`.

    A file whose first readable row lacks a column is of another format (InputError); a later row
    that lacks one, as in JSON lines it may, is a Reject.
    """
    occurrences = Occurrences()
    columns = _ColumnCount(format, unread) if unread is not None else None
    is_first = True
    for row in rows(path):
        if isinstance(row, BadRow):
            yield reject_bad_row(row)
            continue
        if columns is not None:
            row = columns.recorded(row)
        try:
            item = format.read_row(row)
        except NoColumn as error:
            if is_first:
                raise InputError(f"{error}{_hint(row)}") from error
            item = reject_row(row, f"the row has no column {error.name!r}")
        is_first = False
        if isinstance(item, Example) and (number := occurrences.number(item)):
            item = format.read_row(row, number)
        if columns is not None:
            columns.count(row)
        yield item


# ---- columns that are not read ---------------------------------------------------------------


class _RecordedFields(dict[str, Any]):
    """The fields of a row that remember which of them were looked at."""

    def __init__(self, fields: dict[str, Any], looked_at: set[str]) -> None:
        super().__init__(fields)
        self._looked_at = looked_at

    def __getitem__(self, column: str) -> Any:
        self._looked_at.add(column)
        return super().__getitem__(column)

    def get(self, column: str, default: Any = None) -> Any:
        self._looked_at.add(column)
        return super().get(column, default)


class _ColumnCount:
    """Counts the rows that have a column which no row's reading looks at."""

    def __init__(self, format: Format, unread: Counter[str]) -> None:
        self._inside = format.unread_inside
        self._unread = unread
        self._looked_at: set[str] = set()

    def recorded(self, row: Row) -> Row:
        return Row(row.file, row.number, _RecordedFields(row.fields, self._looked_at))

    def count(self, row: Row) -> None:
        """Count what the row has; a column that is read only now was counted for nothing."""
        self._unread.update(row.fields.keys() - self._looked_at)
        for column in self._unread.keys() & self._looked_at:
            del self._unread[column]
        if self._inside is not None:
            self._unread.update(set(self._inside(row)))


# ---- rows of another format ------------------------------------------------------------------


def readers_of(row: Row) -> dict[str, set[str]]:
    """The formats that read the most of a row, each with the columns that it leaves unread."""
    unread: dict[str, set[str]] = {}
    for name in format_names():
        looked_at = set[str]()
        recorded = Row(row.file, row.number, _RecordedFields(row.fields, looked_at))
        try:
            item = find_definition(name).read_row(recorded)
        except (InputError, LookupError):  # a column lacks, or a plug-in cannot be loaded
            continue
        if isinstance(item, Example):
            unread[name] = row.fields.keys() - looked_at
    least = min(map(len, unread.values()), default=0)
    return {name: columns for name, columns in unread.items() if len(columns) == least}


def _describe_readers(row: Row) -> str:
    """Which formats read a row, and what of it they do not; empty if none does."""
    readers = readers_of(row)
    if not readers:
        return ""
    columns = ", ".join(map(repr, sorted(set.union(*readers.values()))))
    return f"--from {' or --from '.join(readers)} reads it" + (columns and f", but not {columns}")


def _hint(row: Row) -> str:
    """How a row of another format can be read, as the end of a message; empty if unknown."""
    readers = _describe_readers(row)
    return f"; {readers}" if readers else ""


def _check_ours(path: Path, items: Iterator[Example | Reject]) -> Iterator[Example | Reject]:
    """The items of a file of ours.  Raises InputError if its first row is of another tool."""
    first = next(items)  # a file without rows is an error by itself
    if isinstance(first, Reject):
        row = next(rows(path))
        if isinstance(row, Row) and "trueline" not in row.fields:
            raise InputError(_describe_outside(path, row))
    return chain([first], items)


def _describe_outside(path: Path, row: Row) -> str:
    columns = ", ".join(map(repr, row.fields))
    by_columns = f"read it with --from {COLUMNS} --map prompt=COLUMN --map response=COLUMN"
    mend = _describe_readers(row) or by_columns
    return (
        f"{path} holds no Examples of ours: its first row has the columns {columns}; {mend} (if a "
        "command has no --from, run `trueline convert` first)"
    )
