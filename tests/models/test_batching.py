"""The batcher: everyone is answered, whatever happens to the thread, and batches fit."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

torch = pytest.importorskip("torch")

from trueline.models.local.batching import Batcher, Reply, run_halving, split  # noqa: E402


class Number:
    """A request that is answered with its double."""

    def __init__(self, value: int) -> None:
        self.value, self.reply = value, Reply[int]()

    def fail(self, error: Exception) -> None:
        self.reply.give(error)


def double(seen: list[int]) -> Batcher[Number]:
    def serve(requests: list[Number]) -> None:
        seen.append(len(requests))
        for request in requests:
            if request.value < 0:
                raise ValueError("below zero")
            request.reply.give(2 * request.value)

    return Batcher(serve, rows=4, name="double", idle_s=0.01)


async def ask(batcher: Batcher[Number], value: int) -> int:
    request = Number(value)
    batcher.submit(request)
    return await request.reply.future


async def test_requests_that_come_together_are_served_together() -> None:
    sizes: list[int] = []
    batcher = double(sizes)
    answers = await asyncio.gather(*(ask(batcher, i) for i in range(120)))
    assert answers == [2 * i for i in range(120)]
    assert max(sizes) == 50 and sum(sizes) == 120  # so many batches' worth at most are gathered


async def test_an_idle_thread_ends_and_the_next_request_starts_another() -> None:
    batcher = double([])
    assert await ask(batcher, 1) == 2
    for _ in range(500):
        if batcher._thread is None:
            break
        await asyncio.sleep(0.01)
    assert batcher._thread is None
    assert await ask(batcher, 2) == 4


async def test_an_error_reaches_each_of_its_callers_and_the_next_are_served() -> None:
    batcher = double([])
    failed = await asyncio.gather(*(ask(batcher, -1) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in failed] == ["below zero"] * 3
    assert await ask(batcher, 3) == 6


async def test_stop_returns_when_everything_queued_is_answered() -> None:
    batcher = double([])
    asked = [asyncio.ensure_future(ask(batcher, i)) for i in range(60)]
    await asyncio.sleep(0)
    await asyncio.to_thread(batcher.stop)
    assert batcher._thread is None
    assert await asyncio.gather(*asked) == [2 * i for i in range(60)]
    await asyncio.to_thread(batcher.stop)  # of what is stopped already
    assert await ask(batcher, 5) == 10


def test_callers_on_several_loops_share_a_batcher_and_a_lost_loop_harms_nobody() -> None:
    release = threading.Event()

    def serve(requests: list[Number]) -> None:
        release.wait()
        for request in requests:
            request.reply.give(2 * request.value)

    batcher: Batcher[Number] = Batcher(serve, rows=4, name="slow")

    async def leave() -> None:
        batcher.submit(Number(1))

    asyncio.run(leave())
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda i=i: answers.append(asyncio.run(ask(batcher, i))))
        for i in range(3)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    release.set()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(answers) == [0, 2, 4]


def test_batches_are_as_long_as_fits_and_what_fits_nowhere_is_alone() -> None:
    batches = split([9, 4, 3, 2, 2, 1], lambda rows: sum(rows) <= 6)
    assert list(batches) == [[9], [4], [3, 2], [2, 1]]
    assert list(split([], lambda _: True)) == []


def test_a_batch_is_halved_until_it_fits_the_memory() -> None:
    sizes: list[int] = []

    def run(rows: list[int]) -> list[str]:
        sizes.append(len(rows))
        if sum(rows) > 5:
            raise torch.OutOfMemoryError("full")
        return [f"row {row}" for row in rows]

    results = run_halving([1, 2, 9, 3, 1], run, lambda row: f"no memory for {row}")
    assert results == ["row 1", "row 2", "no memory for 9", "row 3", "row 1"]
    assert sizes == [5, 2, 3, 1, 2]


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(ZeroDivisionError):
        run_halving([1, 2], lambda rows: [1 // 0 for _ in rows], lambda _: 0)
