"""The limiter against simulated servers, on a clock that jumps: hours pass in a moment."""

from __future__ import annotations

import asyncio
import heapq
import random
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from trueline.models.endpoint.adaptive_limit import Limiter


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Does not wait for a time-out: it moves the loop's clock there."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found: list[Any] = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


def simulated(work: Coroutine[Any, Any, None]) -> None:
    random.seed(7)
    clock = _Jumping()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


@dataclass
class Host:
    """A server that takes `takes(now)` calls at once, answers in `latency` seconds give or take a
    half, and refuses what goes beyond, and a random share, in a millisecond."""

    takes: Callable[[float], int]
    latency: float = 0.05
    accidents: float = 0.0
    after: float | None = None
    busy: int = 0
    refused: int = 0
    answered: list[float] = field(default_factory=list)
    draw: random.Random = field(default_factory=lambda: random.Random(1))

    async def call(self) -> bool:
        loop = asyncio.get_running_loop()
        if self.busy >= self.takes(loop.time()) or self.draw.random() < self.accidents:
            await asyncio.sleep(0.001)
            self.refused += 1
            return False
        self.busy += 1
        await asyncio.sleep(self.latency * self.draw.uniform(0.5, 1.5))
        self.busy -= 1
        self.answered.append(loop.time())
        return True


async def load(host: Host, limiter: Limiter, calls: int) -> float:
    """As many calls as a build makes of so many rows, in a window of four times the limit's most;
    gives the time it took."""
    loop = asyncio.get_running_loop()
    window = asyncio.Semaphore(4 * limiter.most)

    async def one() -> None:
        async with window:
            tries = 0
            while True:
                ticket = await limiter.enter()
                good = await host.call()
                limiter.leave(ticket, refused=not good, after=None if good else host.after)
                if good:
                    return
                tries += 1
                await asyncio.sleep(host.after or min(0.5 * 2 ** (tries - 1), 60.0))

    started = loop.time()
    await asyncio.gather(*(one() for _ in range(calls)))
    return loop.time() - started


@pytest.mark.parametrize("after", [None, 1.0])
@pytest.mark.parametrize("takes", [3, 20, 60])
def test_a_servers_limit_is_found_and_kept_busy(takes: int, after: float | None) -> None:
    async def work() -> None:
        host = Host(lambda _now: takes, after=after)
        took = await load(host, Limiter(64), 1000 * takes)
        assert 1000 * host.latency / took > 0.9
        assert host.refused < 0.05 * len(host.answered)

    simulated(work())


@pytest.mark.parametrize("after", [None, 1.0])
def test_scattered_refusals_slow_nothing_down(after: float | None) -> None:
    async def work() -> None:
        host, limiter = Host(lambda _now: 1000, accidents=0.05, after=after), Limiter(64)
        await load(host, limiter, 20_000)
        assert limiter.limit == 64
        # The last few may have been refused several times in a row, and wait longer each time.
        assert sorted(host.answered)[19_900] < 1.1 * 20_000 * host.latency / 64

    simulated(work())


def test_scattered_refusals_of_slow_calls_slow_nothing_down() -> None:
    """The refusals come back at once, and the answers that would outnumber them a second later."""

    async def work() -> None:
        host, limiter = Host(lambda _now: 1000, latency=1.0, accidents=0.1), Limiter(256)
        await load(host, limiter, 40_000)
        late = sum(100 < t < 140 for t in host.answered) / 40
        assert late > 0.8 * limiter.most / host.latency

    simulated(work())


@pytest.mark.parametrize("accidents", [0.0, 0.05])
def test_after_a_storm_all_is_as_it_was(accidents: float) -> None:
    async def work() -> None:
        host = Host(lambda now: 0 if 5 < now < 15 else 1000, accidents=accidents)
        limiter = Limiter(64)
        await load(host, limiter, 50_000)
        assert host.refused < 0.06 * 50_000 + 300
        back = [t for t in host.answered if t > 15]
        quickly = sum(t < 25 for t in back) / 10
        assert quickly > 0.5 * 64 / host.latency  # half the full rate, over the ten seconds after
        assert limiter.limit > 48

    simulated(work())


def test_a_limit_that_moves_is_followed() -> None:
    async def work() -> None:
        host = Host(lambda now: 40 if now < 20 else 10 if now < 60 else 50)
        limiter = Limiter(64)
        await load(host, limiter, 60_000)
        for start, end, takes in ((5, 20, 40), (25, 60, 10), (83, 93, 50)):
            held = sum(start < t < end for t in host.answered) / (end - start)
            assert held > 0.85 * takes / host.latency, takes

    simulated(work())


def test_calls_are_let_in_in_order_and_a_cancelled_one_gives_its_place() -> None:
    async def work() -> None:
        limiter, order = Limiter(1), list[int]()

        async def one(number: int) -> None:
            ticket = await limiter.enter()
            order.append(number)
            try:
                await asyncio.sleep(1)
            finally:
                limiter.leave(ticket)

        tasks = [asyncio.ensure_future(one(i)) for i in range(4)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        tasks[0].add_done_callback(lambda _: tasks[2].cancel())
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order in ([0, 3], [0, 2, 3])

    simulated(work())


def test_a_minute_limit_is_not_hammered() -> None:
    """600 calls a minute by a token bucket: what goes beyond is refused."""

    async def work() -> None:
        bucket: list[float] = []

        def takes(now: float) -> int:
            while bucket and bucket[0] < now - 60:
                heapq.heappop(bucket)
            if len(bucket) >= 600:
                return 0
            heapq.heappush(bucket, now)
            return 1000

        host = Host(takes)
        took = await load(host, Limiter(64), 3000)
        assert took < 60 * 5 * 1.25
        assert host.refused < 3000

    simulated(work())
