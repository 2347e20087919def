"""Lines of a text file, plain or gzip, whatever state the file is in: bounded memory, none lost."""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from trueline.files.errors import InputError
from trueline.files.text import RAW_LIMIT, BadRow, bad_row, check_path_encodable

LINE_LIMIT = 64 * 2**20
"""Bytes of the longest line, or row of several lines, that is read; longer ones are skipped
without loading them."""

BROKEN_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)
"""What a gzip file that ends early or is damaged raises, somewhere in its middle."""


_GZIP = b"\x1f\x8b"
_WIDE = {b"\xff\xfe\0\0": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def check_regular_file(path: Path) -> None:
    """Raises InputError if there is nothing to read, or what waits for a writer or never ends
    (a pipe, a device), or a name that no record could hold."""
    check_path_encodable(path)
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {why}") from error
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise InputError(f"cannot read {path}: it is neither a file nor a folder; save it as one")


def read_text(path: Path) -> str:
    """The whole of a small file of UTF-8 text, or of a pipe; raises InputError if it cannot be
    read, and for a device, which may never end."""
    check_path_encodable(path)
    try:
        if stat.S_ISCHR(path.stat().st_mode):
            raise InputError(f"{path}: cannot be read: it is a device, not a file")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # no UTF-8, or a NUL in the name
        raise InputError(f"{path}: cannot be read as UTF-8 text: {error}") from error


def open_file(path: Path) -> BinaryIO:
    """The file as bytes, unpacked if its name ends in .gz; raises InputError if it cannot
    be opened, is empty, or begins as no UTF-8 text or gzip file of its name does."""
    check_regular_file(path)
    packed = path.suffix.lower() == ".gz"
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if not start:
            raise InputError(f"{path} is empty")
        if packed != start.startswith(_GZIP):
            mend = (
                "is not gzip: rename it without .gz" if packed else "is gzip: add .gz to its name"
            )
            raise InputError(f"{path} {mend}")
        for mark, name in _WIDE.items():
            if start.startswith(mark):
                raise InputError(f"{path} is in {name}: convert it to UTF-8 (iconv -f {name})")
        return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def lines(path: Path) -> Iterator[tuple[int, bytes] | BadRow]:
    """Numbered lines (from 1, without their ends, blank ones left out).

    A line over LINE_LIMIT, and the place where a damaged gzip file breaks off, are BadRows.
    """
    number = 0
    with open_file(path) as file:
        while True:
            number += 1
            try:
                line = file.readline(LINE_LIMIT + 1)
                if len(line) > LINE_LIMIT and not line.endswith(b"\n"):
                    yield _too_long(path, number, line, file)
                    continue
            except BROKEN_GZIP as error:
                yield broken_gzip_row(path, number, error)
                return
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror or error}") from error
            if not line:
                return
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if stripped := line.strip(b" \t\r\n"):
                yield number, stripped


def broken_gzip_row(path: Path, row: int, error: Exception) -> BadRow:
    """The BadRow for everything that a damaged gzip file no longer gives."""
    reason = f"the gzip file breaks off here ({error}): this row and all after it are missing"
    return bad_row(reason, "", path, row)


def _too_long(path: Path, number: int, start: bytes, file: BinaryIO) -> BadRow:
    length = len(start)
    while (more := file.readline(2**20)) and not more.endswith(b"\n"):
        length += len(more)
    length += len(more)
    reason = f"over-long: the line has {length:,} bytes, at most {LINE_LIMIT:,} are read"
    return bad_row(reason, start[:RAW_LIMIT], path, number)
