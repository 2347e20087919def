"""Waiting from ordinary code and from inside a loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from trueline.runs.sync import run_sync

INTERRUPTED = """
import asyncio, signal, threading
from trueline.runs.sync import run_sync

main = threading.main_thread().ident

async def long():
    try:
        threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT]).start()
        await asyncio.sleep(60)
    finally:
        print("ended", flush=True)

async def cell():
    try:
        run_sync(long())
    except KeyboardInterrupt:
        print("interrupted", flush=True)

asyncio.new_event_loop().run_until_complete(cell())
"""


async def double(number: int) -> int:
    await asyncio.sleep(0)
    if number < 0:
        raise ValueError("negative")
    return 2 * number


def test_outside_a_loop() -> None:
    assert run_sync(double(2)) == 4


async def test_inside_a_loop() -> None:
    assert run_sync(double(3)) == 6
    with pytest.raises(ValueError, match="negative"):
        run_sync(double(-1))


def test_an_interrupt_inside_a_loop_ends_the_work_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["ended", "interrupted"], done.stderr
