"""One run at a time on a ledger: a lock that ends with its process, however that ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import time
from pathlib import Path

from trueline.files.errors import InputError

POLL_S = 0.05
PATIENCE_S = 1.0

# By device and file number.  A pid would not do: two containers that share a disk may share pids.
_ours: dict[int, tuple[int, int]] = {}


async def acquire(ledger: Path, run: str) -> int:
    """Waits for the ledger's lock and returns its file descriptor, for `release`.

    After a second it says on stderr who holds it.  Raises InputError where this very process
    does, since waiting would never end.
    """
    descriptor = os.open(f"{ledger}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        started, told, file = time.monotonic(), False, os.fstat(descriptor)
        here = file.st_dev, file.st_ino
        while not _taken(descriptor):
            if here in _ours.values():
                raise InputError(
                    f"{ledger}: open in this process already ({_holder(descriptor)}); share that "
                    "Ledger, or close it first"
                )
            if not told and time.monotonic() - started >= PATIENCE_S:
                told, holder = True, _holder(descriptor)
                print(f"waiting for {ledger}: {holder} is using it", file=sys.stderr, flush=True)
            await asyncio.sleep(POLL_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{run}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    _ours[descriptor] = here
    return descriptor


def release(descriptor: int) -> None:
    """Lets the next run in."""
    del _ours[descriptor]
    os.ftruncate(descriptor, 0)
    os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Who holds the lock, as they wrote themselves down."""
    written = os.pread(descriptor, 4096, 0).decode("utf-8", "replace").splitlines()
    return f"process {written[0]}, run {written[1]!r}," if len(written) > 1 else "another process"
