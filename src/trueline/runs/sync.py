"""Waiting for a coroutine from ordinary code, in a notebook too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent import futures
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result.  Inside a running event loop (a notebook's) it is run in a thread
    with a loop of its own, because a loop cannot be entered twice; an interrupt there cancels it
    and waits until it has ended."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = Future()
    outcome: Future[T] = Future()  # not Thread.join, which an interrupt leaves for good (3.11)

    async def main() -> T:
        task = asyncio.ensure_future(coroutine)
        started.set_result((asyncio.get_running_loop(), task))
        return await task

    def target() -> None:
        try:
            outcome.set_result(asyncio.run(main()))
        except BaseException as error:  # handed to the caller's thread, whatever it is
            outcome.set_exception(error)

    threading.Thread(target=target, name="trueline").start()
    try:
        return outcome.result()
    except KeyboardInterrupt:
        if not outcome.done():
            loop, task = started.result()
            loop.call_soon_threadsafe(task.cancel)
            futures.wait([outcome])
        raise
