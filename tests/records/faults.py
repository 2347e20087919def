"""A disk that fails, or a process that dies, at one chosen operation of those that write files."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from trueline.files.atomic import AtomicFile, os_errors_as_input_errors


class _File:
    """A file whose writes are counted: the first two, and one in a hundred of the many small ones
    that make up a Parquet file."""

    def __init__(self, file: Any, step: Callable[[], None]) -> None:
        self._file, self._step, self._writes = file, step, 0

    def write(self, data: Any) -> int:
        self._writes += 1
        if self._writes <= 2 or self._writes % 100 == 0:
            self._step()
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def at(number: int, action: Callable[[], None]) -> Iterator[list[int]]:
    """Within: `action` takes the place of operation `number` (from 0) of all that open, write,
    sync and rename; the list that is given holds how many there were."""
    done = [0]

    def step() -> None:
        done[0] += 1
        if done[0] == number + 1:
            action()

    begin, fsync, replace = AtomicFile.__init__, os.fsync, Path.replace

    def opened(self: AtomicFile, path: Path) -> None:
        with os_errors_as_input_errors(path):
            step()
        begin(self, path)
        self.file = _File(self.file, step)  # type: ignore[assignment]

    def synced(descriptor: int) -> None:
        step()
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        step()
        return replace(self, target)

    with (
        mock.patch.object(AtomicFile, "__init__", opened),
        mock.patch.object(os, "fsync", synced),
        mock.patch.object(Path, "replace", replaced),
    ):
        yield done


def full() -> None:
    """The disk has no room left."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kill() -> None:
    """This process ends here and now, as by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)
