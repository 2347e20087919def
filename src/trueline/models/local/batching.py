"""Batches for models that run here: who waits, what is gathered, what one batch may hold.

- a *reply* is where one caller waits, on whatever event loop;
- a *batcher* is the thread that gathers requests and has them served together;
- `split` cuts what was gathered into batches that fit, and `run_halving` runs one, in halves if
  memory is short.

The engine of causal models and the sequence classifier use all three; so can any other head.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import torch

QUIET_S = 0.004  # the queue is taken to be filled if nothing came for so long
GATHER = 12.5  # batches' worth of requests that are gathered at most before the first is served
IDLE_S = 1.0  # after which the thread ends; the next request starts another
TOKENS = {"cpu": 16_384, "cuda": 131_072}  # of a batch, padding included

T = TypeVar("T")
R = TypeVar("R")


class Reply(Generic[T]):
    """Where a caller waits for an answer: made on its event loop, given from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()

    def give(self, outcome: T | Exception) -> None:
        """Answers the caller; an exception is raised there."""

        def resolve() -> None:
            if self.future.done():
                return
            if isinstance(outcome, Exception):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)

        with contextlib.suppress(RuntimeError):  # the caller's loop is gone, and so is the caller
            self._loop.call_soon_threadsafe(resolve)


class Request(Protocol):
    """What a batcher gathers."""

    def fail(self, error: Exception) -> None:
        """Tells the caller of an error that nobody expected."""
        ...


Q = TypeVar("Q", bound=Request)


class Batcher(Generic[Q]):
    """Calls `serve` with the requests that came together, always on one thread at a time.

    What `serve` raises is told to each of those callers, and the next requests are served.
    """

    def __init__(
        self, serve: Callable[[list[Q]], None], *, rows: int, name: str, idle_s: float = IDLE_S
    ) -> None:
        self._serve, self._most = serve, GATHER * rows
        self._name, self._idle_s = name, idle_s
        self._queue: queue.SimpleQueue[Q | None] = queue.SimpleQueue()  # None wakes it to end
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, request: Q) -> None:
        """Queues a request."""
        with self._lock:
            self._queue.put(request)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Returns when what is queued has been served and the thread has ended."""
        with self._lock:
            thread = self._thread
            self._queue.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while requests := self._gather():
            try:
                self._serve(requests)
            except Exception as error:  # else these callers would wait for ever
                for request in requests:
                    request.fail(error)

    def _gather(self) -> list[Q]:
        """The requests that are there, waiting a little for more; none if the thread is to end."""
        request = self._wait()
        gathered: list[Q] = []
        while request is not None:
            gathered.append(request)
            if len(gathered) >= self._most:
                return gathered
            try:
                request = self._queue.get(timeout=QUIET_S)
            except queue.Empty:
                return gathered
        if gathered:
            self._queue.put(None)  # what was gathered comes first
        return gathered

    def _wait(self) -> Q | None:
        """The next request; None, and no thread any more, if there is none."""
        while True:
            with contextlib.suppress(queue.Empty):
                request = self._queue.get(timeout=self._idle_s)
                if request is not None:
                    return request
            with self._lock:
                if self._queue.empty():
                    self._thread = None
                    return None


def split(rows: Iterable[T], fits: Callable[[Sequence[T]], bool]) -> Iterator[list[T]]:
    """The rows in their order, in batches as long as they fit; what fits in none is one alone."""
    batch: list[T] = []
    for row in rows:
        if batch and not fits([*batch, row]):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def run_halving(
    batch: Sequence[T], run: Callable[[Sequence[T]], list[R]], no_memory: Callable[[T], R]
) -> list[R]:
    """What `run` makes of the rows, in halves if it runs out of memory; of one row for which
    there is none, what `no_memory` says."""
    try:
        return run(batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            return [no_memory(batch[0])]
    torch.cuda.empty_cache()  # here, where the failed run's tensors are no longer held
    half = len(batch) // 2
    return [
        *run_halving(batch[:half], run, no_memory),
        *run_halving(batch[half:], run, no_memory),
    ]
