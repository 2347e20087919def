"""Examples as JSON lines, plain or gzip by suffix, streamed both ways.

Every row carries `"trueline": 1`, the schema version: a header line would be in the way of
`head`, `split` and the JSON loaders of other tools.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.files.lines import lines
from trueline.files.text import BadRow
from trueline.files.versions import check_version
from trueline.records.store.schema import VERSION
from trueline.records.store.validate import new_reject, reject_bad_row
from trueline.records.types import CONTENT_ID, Example, Reject


class _Versioned(msgspec.Struct):
    trueline: int


class _Line(Example, frozen=True, kw_only=True, forbid_unknown_fields=True):
    trueline: int


_encode = msgspec.json.Encoder().encode
_line = msgspec.json.Decoder(_Line)
_versioned = msgspec.json.Decoder(_Versioned)
_start = b'{"trueline":%d,' % VERSION


def encode(record: Example | Reject) -> bytes:
    """One row with its version and line end."""
    return _start + _encode(record)[1:] + b"\n"


@contextmanager
def appending(path: Path) -> Iterator[Callable[[Example | Reject], None]]:
    """A function that appends a record to a new .jsonl or .jsonl.gz file, which appears whole
    when the block ends well and not at all otherwise."""
    with atomic_write(path) as file:
        if path.suffix == ".gz":
            # no name and no time in the gzip header: equal records give equal bytes
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield lambda record: _append(packed, record)
        else:
            yield lambda record: _append(file, record)


def _append(file: BinaryIO | gzip.GzipFile, record: Example | Reject) -> None:
    file.write(encode(record))


def write(path: Path, records: Iterable[Example | Reject]) -> int:
    """Write records to a file as `appending` does, and return their number."""
    count = 0
    with appending(path) as append:
        for count, record in enumerate(records, 1):  # noqa: B007 - the count is the result
            append(record)
    return count


def read(path: Path) -> Iterator[Example | Reject]:
    """The Examples of a file, and a Reject with its row and reason for each that is none.

    Raises InputError if the file is missing, without rows or from a newer trueline.
    """
    empty = True
    for found in lines(path):
        empty = False
        yield reject_bad_row(found) if isinstance(found, BadRow) else _read(path, *found)
    if empty:
        raise InputError(f"{path} holds no rows")


def _read(path: Path, number: int, line: bytes) -> Example | Reject:
    try:
        row = _line.decode(line)
        check_version(path, row.trueline, VERSION)
        if not CONTENT_ID.fullmatch(row.id):
            return new_reject(
                "read", "id is no content id: 32 hexadecimal digits", line, path, number
            )
        return Example(**{name: getattr(row, name) for name in Example.__struct_fields__})
    except UnicodeDecodeError as error:
        return new_reject(
            "read", f"not UTF-8: {error.reason} at byte {error.start}", line, path, number
        )
    except (msgspec.DecodeError, RecursionError) as error:
        _refuse_newer(path, line)
        return new_reject("read", f"{_kind(line, error)}: {error}", line, path, number)


def _refuse_newer(path: Path, line: bytes) -> None:
    """A row that we cannot read may be fine and merely newer: then the file is refused."""
    try:
        check_version(path, _versioned.decode(line).trueline, VERSION)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return


def _kind(line: bytes, error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return "not an Example"
    if re.search(rb"\\u[dD][89a-fA-F]", line):
        return "not JSON of valid Unicode (a lone surrogate?)"
    return "not JSON"


def rejects(path: Path) -> Iterator[Reject]:
    """The Rejects of a file that `write` made.  Raises InputError if it is damaged or newer."""
    decoder = msgspec.json.Decoder(_RejectLine)
    for found in lines(path):
        if isinstance(found, BadRow):
            yield reject_bad_row(found)
            continue
        number, line = found
        try:
            row = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            _refuse_newer(path, line)
            raise InputError(f"{path}, line {number} is no Reject: {error}") from error
        check_version(path, row.trueline, VERSION)
        yield Reject(**{name: getattr(row, name) for name in Reject.__struct_fields__})


class _RejectLine(Reject, frozen=True, kw_only=True):
    trueline: int
