"""Rows of CSV and TSV files as in RFC 4180: a header, quoted fields that may span lines."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from trueline.files.errors import InputError
from trueline.files.lines import BROKEN_GZIP, LINE_LIMIT, broken_gzip_row, open_file
from trueline.files.text import BadRow, bad_row

BOM = b"\xef\xbb\xbf"


class _Source:
    """The lines of a file as csv wants them, and the bytes of the record that it is reading."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.line = 0
        self.record: bytearray
        self.fault: str | None
        self.begin()

    def begin(self) -> None:
        # in one piece: a quote left open can make a record of millions of short lines
        self.record, self.fault = bytearray(), None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(LINE_LIMIT + 1)
        if not line:
            raise StopIteration
        self.line += 1
        if self.line == 1:
            line = line.removeprefix(BOM)
        if len(line) > LINE_LIMIT and not line.endswith(b"\n"):
            self.fault = f"over-long: line {self.line:,} has more than {LINE_LIMIT:,} bytes"
            while (rest := self._file.readline(2**20)) and not rest.endswith(b"\n"):
                pass
            line = line[: LINE_LIMIT // 64] + b"\n"
        self.record += line
        if len(self.record) > LINE_LIMIT:  # after an error csv begins anew at the next line
            raise csv.Error(f"more than {LINE_LIMIT:,} bytes: is a quote left open?")
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self.fault = f"not UTF-8: {error.reason} in line {self.line:,} (convert the file)"
            return line.decode(errors="replace")


def read_delimited(path: Path, delimiter: str) -> Iterator[tuple[int, dict[str, object]] | BadRow]:
    """Numbered rows (from 1, the header not counted); one that is malformed is a BadRow."""
    with open_file(path) as file:
        yield from read_table(path, file, delimiter)


def read_table(
    path: Path, file: IO[bytes], delimiter: str, columns: Sequence[str] = (), *, first: int = 1
) -> Iterator[tuple[int, dict[str, object]] | BadRow]:
    """Rows of an open file, numbered from `first`; `path` names it in messages.

    `columns` are those of a file without a header.  In a TSV file of that kind, quotes are part of
    the text.
    """
    csv.field_size_limit(LINE_LIMIT)
    source = _Source(file)
    if columns and delimiter == "\t":
        reader = csv.reader(iter(source), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(iter(source), delimiter=delimiter, strict=True)
    header = list(columns) or _header(path, source, reader)
    count = len(header)
    stated = f", not the {count} that are expected" if columns else f" where the header has {count}"
    number = first - 1
    while True:
        source.begin()
        start = source.line + 1
        try:
            record = next(reader, None)
            fault = source.fault
        except csv.Error as error:
            record, fault = [], f"malformed: {error} (the row begins in line {start:,})"
        except BROKEN_GZIP as error:
            yield broken_gzip_row(path, number + 1, error)
            return
        if record is None:
            return
        if not record and fault is None:
            continue  # a blank line
        number += 1
        if fault is None and len(record) != count:
            fault = f"malformed: {len(record)} fields{stated}"
        if fault is not None:
            yield bad_row(fault, bytes(source.record), path, number)
            continue
        yield number, dict(zip(header, record, strict=True))


def _header(path: Path, source: _Source, reader: Iterator[list[str]]) -> list[str]:
    """The first line that is not blank."""
    header: list[str] | None = []
    try:
        while header is not None and not "".join(header).strip():
            source.begin()
            header = next(reader, None)
    except (csv.Error, *BROKEN_GZIP) as error:
        mend = " (a file whose lines end in CR alone? convert them to LF)" * (
            "new-line" in str(error)
        )
        raise InputError(f"the header of {path} cannot be read: {error}{mend}") from error
    if header is None:
        raise InputError(f"{path} holds no rows")
    if source.fault is not None:
        raise InputError(f"the header of {path} cannot be read: {source.fault}")
    check_distinct_columns(path, header)
    return header


def check_distinct_columns(path: Path, names: list[str]) -> None:
    """Raises InputError if two columns of a file have one name."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"{path} names the column {twice[0]!r} twice: rename one of them")
