"""Lines of a text file, plain or gzip, whatever state the file is in: bounded memory, none lost."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from trueline.records.border import RAW_LIMIT, reject
from trueline.records.errors import InputError
from trueline.records.types import Reject

LINE_LIMIT = 64 * 2**20
"""Bytes of the longest line that is read; longer ones are skipped without loading them."""

BROKEN_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)
"""What a gzip file that ends early or is damaged raises, somewhere in its middle."""


def opened(path: Path) -> BinaryIO:
    """The file as bytes, unpacked where its name ends in .gz; raises InputError where it cannot
    be opened or is empty."""
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty")
        return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def lines(path: Path) -> Iterator[tuple[int, bytes] | Reject]:
    """Numbered lines (from 1, without their ends, blank ones left out).

    A line over LINE_LIMIT, and the place where a damaged gzip file breaks off, are Rejects.
    """
    number = 0
    with opened(path) as file:
        while True:
            number += 1
            try:
                line = file.readline(LINE_LIMIT + 1)
                if len(line) > LINE_LIMIT and not line.endswith(b"\n"):
                    yield _too_long(path, number, line, file)
                    continue
            except BROKEN_GZIP as error:
                yield broken(path, number, error)
                return
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror or error}") from error
            if not line:
                return
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if stripped := line.strip(b" \t\r\n"):
                yield number, stripped


def broken(path: Path, row: int, error: Exception) -> Reject:
    """The Reject for everything that a damaged gzip file no longer gives."""
    reason = f"the gzip file breaks off here ({error}): this row and all after it are missing"
    return reject("read", reason, "", path, row)


def _too_long(path: Path, number: int, start: bytes, file: BinaryIO) -> Reject:
    length = len(start)
    while (more := file.readline(2**20)) and not more.endswith(b"\n"):
        length += len(more)
    length += len(more)
    reason = f"over-long: the line has {length:,} bytes, at most {LINE_LIMIT:,} are read"
    return reject("read", reason, start[:RAW_LIMIT], path, number)
