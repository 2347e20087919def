"""Ctrl-C and SIGTERM: the first asks a run to stop, the second ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trueline.runs.engine import Stop
from trueline.runs.progress import say


@contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """Within: the first Ctrl-C (or SIGTERM) asks to stop, the second cancels what is under way.

    Only the main thread may set signal handlers; elsewhere the caller's own apply.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.asked and task is not None:
            task.cancel()
        stop.asked = True
        say("\nstopping: finishing what is under way (again: at once)\n")

    signals = (signal.SIGINT, signal.SIGTERM) if os.name == "posix" else ()
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
