"""Rows of files that are not ours: CSV, TSV, JSON lines, JSON, plain text and Parquet.

Each may be gzip (`.gz`).  All but a JSON file that is one object are streamed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.csv_rows import check_distinct_columns, read_delimited
from trueline.files.errors import InputError
from trueline.files.json_documents import read_json_document
from trueline.files.lines import (
    BROKEN_GZIP,
    LINE_LIMIT,
    broken_gzip_row,
    check_regular_file,
    lines,
    open_file,
)
from trueline.files.text import RAW_LIMIT, BadRow, bad_row

Numbered = tuple[int, Any]


class NoColumn(InputError):
    """A row lacks a column that is asked for: `name`."""

    def __init__(self, row: Row, name: str) -> None:
        columns = ", ".join(map(repr, row.fields))
        super().__init__(f"{row.file} has no column {name!r}: it has {columns}")
        self.name = name


class Row(Struct, frozen=True):
    """One row of a foreign file; `number` counts from 1: records in a table (the header not
    counted), elements in an array, lines in JSON lines and in text."""

    file: Path
    number: int
    fields: dict[str, Any]

    def value(self, name: str) -> Any:
        """The cell in a column as it is.  Raises NoColumn if there is no such column."""
        if name not in self.fields:
            raise NoColumn(self, name)
        return self.fields[name]

    def text(self, name: str) -> str:
        """The text in a column, "" if it is null.  Raises NoColumn if there is no such column."""
        value = self.value(name)
        if value is None or value != value:  # pandas writes NaN for a missing text
            return ""
        return value if isinstance(value, str) else str(value)


def rows(path: Path, kind: str | None = None) -> Iterator[Row | BadRow]:
    """Every row of a file in order: a Row, or a BadRow with its number and reason.

    Texts and the elements of a JSON array of strings are in the one column `text`.  A text file
    that has blank lines between others holds one text per paragraph, else one per line.  `kind` is
    one of READERS, for a file whose suffix says another.
    Raises InputError if the file is missing or holds no rows, or its suffix is unknown.
    """
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    reader = READERS.get(kind or suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise InputError(f"cannot tell what {path} is by its name: it should end in {known} (.gz)")
    empty = True
    for found in reader(path):
        empty = False
        if isinstance(found, BadRow):
            yield found
            continue
        number, value = found
        fields = {"text": value} if isinstance(value, str) else value
        if isinstance(fields, dict):
            yield Row(path, number, fields)
        else:
            yield bad_row("neither an object nor a text", value, path, number)
    if empty:
        raise InputError(f"{path} holds no rows")


def _jsonl(path: Path) -> Iterator[Numbered | BadRow]:
    for found in lines(path):
        if isinstance(found, BadRow):
            yield found
            continue
        number, line = found
        try:
            yield number, msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield bad_row(f"not valid JSON in UTF-8: {error}", line, path, number)


def _txt(path: Path) -> Iterator[Numbered | BadRow]:
    paragraphs = _paragraphs(path)
    # a paragraph in one piece, for it may have millions of short lines
    first, count, held = 0, 0, bytearray()
    for found in lines(path):
        if isinstance(found, BadRow):
            yield from _text(path, first, held)
            count, held = 0, bytearray()
            yield found
            continue
        number, line = found
        if count and not (paragraphs and number == first + count):
            yield from _text(path, first, held)
            count, held = 0, bytearray()
        elif count and len(held) + len(line) > LINE_LIMIT:
            reason = f"over-long: {LINE_LIMIT:,} bytes, and the paragraph goes on in the next row"
            yield bad_row(reason, bytes(held[:RAW_LIMIT]), path, first)
            count, held = 0, bytearray()
        first = first if count else number
        held += b"\n" + line if count else line
        count += 1
    yield from _text(path, first, held)


def _text(path: Path, number: int, held: bytearray) -> Iterator[Numbered | BadRow]:
    raw = bytes(held)
    try:
        if raw:
            yield number, raw.decode()
    except UnicodeDecodeError as error:
        yield bad_row(f"not UTF-8: {error.reason}", raw, path, number)


def _paragraphs(path: Path) -> bool:
    """Whether blank lines stand between lines that are not."""
    last = 0
    for found in lines(path):
        if isinstance(found, BadRow):
            return False
        if last and found[0] > last + 1:
            return True
        last = found[0]
    return False


def _parquet(path: Path) -> Iterator[Numbered | BadRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_regular_file(path)
    with tempfile.TemporaryFile() as unpacked:
        if path.suffix.lower() == ".gz":  # Parquet is read from its end: unpack it first
            try:
                with open_file(path) as packed:
                    shutil.copyfileobj(packed, unpacked)
            except BROKEN_GZIP as error:
                yield broken_gzip_row(path, 1, error)
                return
        try:
            file = pq.ParquetFile(unpacked if unpacked.tell() else path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} is no readable Parquet file: {error}") from error
        check_distinct_columns(path, file.schema_arrow.names)
        number, batches = 0, file.iter_batches(batch_size=256)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{path} is damaged after row {number:,}: {error}") from error
            if batch is None:
                return
            for at in range(batch.num_rows):
                number += 1
                try:
                    yield number, batch.slice(at, 1).to_pylist()[0]
                except UnicodeDecodeError as error:
                    yield bad_row(f"not UTF-8: {error.reason}", "", path, number)
                except (ValueError, OverflowError) as error:  # a date in the year 100,000, say
                    yield bad_row(f"no value of Python's: {error}", "", path, number)


READERS: dict[str, Callable[[Path], Iterator[Numbered | BadRow]]] = {
    ".csv": lambda path: read_delimited(path, ","),
    ".tsv": lambda path: read_delimited(path, "\t"),
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": read_json_document,
    ".txt": _txt,
    ".parquet": _parquet,
}
"""How a file is read, by the suffix before any .gz."""
