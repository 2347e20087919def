"""Files that are either whole or absent, whatever interrupts their writing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from trueline.files.errors import InputError
from trueline.files.text import check_path_encodable

PART = ".part"
"""The end of the names of files that are being written."""


class AtomicFile:
    """A file under a temporary name beside `path`, which takes its place when committed."""

    def __init__(self, path: Path) -> None:
        check_path_encodable(path)
        self.path = path
        self.part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
        with os_errors_as_input_errors(path):
            if path.exists() and not path.is_file():  # a device, too, would be replaced by a file
                raise InputError(f"cannot write {path}: it is no file; choose another name")
            self.file: BinaryIO = self.part.open("wb")

    def commit(self) -> None:
        """Bring the bytes to the disk, then the name."""
        with os_errors_as_input_errors(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            self.part.replace(self.path)
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(OSError):  # a full disk refuses the buffered rest; the file goes anyway
            self.file.close()
        self.part.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears at `path` when the block ends well and never otherwise."""
    new = AtomicFile(path)
    try:
        with os_errors_as_input_errors(path):
            yield new.file
        new.commit()
    except BaseException:
        new.discard()
        raise


@contextmanager
def os_errors_as_input_errors(path: Path) -> Iterator[None]:
    """Turns a full disk or a forbidden folder into an InputError that says so."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(
            f"cannot write {path}: {why}. Make room or choose another place, then run the same "
            "command again: it continues"
        ) from error


def sync_folder(folder: Path) -> None:
    """Bring the folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
