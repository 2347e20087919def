"""The stream keeps order, bounds what is under way, and loses nothing."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from trueline.ledger.budget import BudgetSpent
from trueline.models.contract import Fatal, ModelError
from trueline.policy.load import load
from trueline.records.types import Example, Message, with_tags
from trueline.runs.breaker import CircuitBreaker
from trueline.runs.context import RunContext
from trueline.runs.engine import AHEAD, LocalEngine, Stop, source
from trueline.runs.stage import Item, Rejected, Stage


def examples(n: int) -> list[Example]:
    return [Example.new([Message("user", f"request {i}")]) for i in range(n)]


def through(items: AsyncGenerator[Item], stages: list[Stage]) -> AsyncGenerator[Item]:
    return LocalEngine(RunContext(load())).stream(items, stages)


async def collect(items: list[Item], stages: list[Stage], stop: Stop | None = None) -> list[Item]:
    return [item async for item in through(source(items, stop or Stop()), stages)]


@pytest.fixture
async def noise() -> AsyncIterator[list[str]]:
    """What the event loop would have complained of on stderr."""
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(str(context["message"])))
    yield heard
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert heard == []


async def test_order_is_kept_whatever_each_step_takes() -> None:
    rng = random.Random(0)

    async def slow(example: Example) -> Item:
        await asyncio.sleep(rng.random() / 100)
        return with_tags(example, "seen:yes")

    given = examples(200)
    out = await collect(
        given, [Stage.of("slow", slow, window=32), Stage.of("slower", slow, window=8)]
    )
    assert [item.id for item in out if isinstance(item, Example)] == [e.id for e in given]


async def test_no_more_than_the_window_is_under_way() -> None:
    running, most = 0, 0

    async def step(example: Example) -> Item:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return example

    await collect(examples(100), [Stage.of("step", step, window=7)])
    assert 2 <= most <= 7 + 2  # the window, one being handed over, one being put


async def test_a_slow_consumer_bounds_what_is_read() -> None:
    read = 0

    def items() -> object:
        nonlocal read
        for example in examples(1000):
            read += 1
            yield example

    async def step(example: Example) -> Item:
        return example

    stream = through(source(items(), Stop()), [Stage.of("a", step, window=10)])  # type: ignore[arg-type]
    async for _ in stream:
        await asyncio.sleep(0.01)
        break
    await stream.aclose()  # type: ignore[attr-defined]
    assert read <= AHEAD * 10 + 5


async def test_one_slow_row_does_not_hold_up_the_work_on_those_behind_it() -> None:
    done, let_go = 0, asyncio.Event()
    given = examples(100)

    async def step(example: Example) -> Item:
        nonlocal done
        if example is given[0]:
            await let_go.wait()
        done += 1
        if done == 60:
            let_go.set()
        return example

    async with asyncio.timeout(10):
        out = await collect(given, [Stage.of("step", step, window=4)])
    assert out == given


async def test_after_a_row_that_ends_the_run_no_other_is_begun() -> None:
    begun = 0

    async def step(example: Example) -> Item:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.001)
        if begun >= 20:
            raise Fatal("no key")
        return example

    with pytest.raises(Fatal):
        await collect(examples(1000), [Stage.of("step", step, window=8)])
    assert begun <= 30


async def test_rejects_walk_on_past_every_kind_of_stage() -> None:
    given = examples(10)

    async def odd(example: Example) -> Item:
        return Rejected(example, "odd", "it is") if given.index(example) % 2 else example

    async def table(stream: AsyncIterator[Example]) -> AsyncGenerator[Item]:
        async for example in stream:
            yield example

    first = Stage.of("odd", odd)
    last = Stage.of("sync", lambda e: e)
    out = await collect(given, [first, Stage.of("table", table), last])
    assert len(out) == 10
    assert sum(isinstance(item, Rejected) for item in out) == 5
    rejected = [item for item in out if isinstance(item, Rejected)]
    assert {(r.stage, r.reason, r.detail) for r in rejected} == {("odd", "odd", "it is")}


async def test_a_failed_call_is_a_reject_and_a_fatal_one_ends_the_run() -> None:
    given = examples(6)

    async def step(example: Example) -> Item:
        if example is given[2]:
            raise ModelError("no luck")
        if example is given[4]:
            raise Fatal("401")
        return example

    out: list[Item] = []
    with pytest.raises(Fatal):
        async for item in through(source(given, Stop()), [Stage.of("call", step)]):
            out.append(item)
    assert [type(item) for item in out] == [Example, Example, Rejected, Example]
    assert isinstance(out[2], Rejected) and out[2].example == given[2]


async def test_a_stop_finishes_what_is_under_way() -> None:
    stop = Stop()
    ended: list[str] = []

    async def step(example: Example) -> Item:
        await asyncio.sleep(0.01)
        ended.append(example.id)
        return example

    out: list[Item] = []
    async for item in through(source(examples(100), stop), [Stage.of("step", step, window=5)]):
        out.append(item)
        stop.asked = True
    assert 1 <= len(out) < 20
    assert [item.id for item in out if isinstance(item, Example)] == ended


async def test_a_budget_spent_in_many_places_is_one_quiet_end(noise: list[str]) -> None:
    given = examples(200)
    ended: list[str] = []

    async def first(example: Example) -> Item:
        await asyncio.sleep(0.001)
        if given.index(example) >= 60:
            raise BudgetSpent("first")
        return example

    async def second(example: Example) -> Item:
        await asyncio.sleep(0.005)
        if given.index(example) >= 40:
            raise BudgetSpent("second")
        ended.append(example.id)
        return example

    out: list[Item] = []
    with pytest.raises(BudgetSpent, match="second"):
        async for item in through(
            source(given, Stop()), [Stage.of("first", first), Stage.of("second", second, window=32)]
        ):
            out.append(item)
    assert [item.id for item in out if isinstance(item, Example)] == [e.id for e in given[:40]]


@pytest.mark.parametrize("kind", ["step", "async", "table", "source"])
async def test_a_bug_keeps_what_came_before_and_says_where(noise: list[str], kind: str) -> None:
    given = examples(20)

    def broken(example: Example) -> Item:
        if example is given[7]:
            raise KeyError("colour")
        return example

    async def slow(example: Example) -> Item:
        await asyncio.sleep(0.002)
        return Rejected(example, "slow") if example is given[6] else broken_if("async", example)

    def broken_if(where: str, example: Example) -> Item:
        return broken(example) if kind == where else example

    async def table(stream: AsyncIterator[Example]) -> AsyncGenerator[Item]:
        async for example in stream:
            yield broken_if("table", example)

    def items() -> Iterator[Item]:
        for example in given:
            yield broken_if("source", example)

    stages = [
        Stage.of("slow", slow),
        Stage.of("table", table),
        Stage.of("sync", lambda example: broken_if("step", example)),
        Stage.of("last", slow),
    ]
    out: list[Item] = []
    with pytest.raises(KeyError) as caught:
        async for item in through(source(items(), Stop()), stages):
            out.append(item)
    assert len(out) == 7 and isinstance(out[6], Rejected)
    if kind in ("step", "async"):
        assert given[7].id in caught.value.__notes__[0]


async def test_a_reader_that_leaves_waits_for_calls_under_way(noise: list[str]) -> None:
    begun, ended = 0, 0

    async def call(example: Example) -> Item:
        nonlocal begun, ended
        begun += 1
        await asyncio.sleep(0.01)
        ended += 1
        return example

    async def table(stream: AsyncIterator[Example]) -> AsyncGenerator[Item]:
        async for example in stream:
            yield example

    stages = [Stage.of("a", call, window=8), Stage.of("t", table), Stage.of("b", call, window=8)]
    async with aclosing(through(source(examples(100), Stop()), stages)) as stream:
        async for _ in stream:
            break
    assert begun == ended > 1


@pytest.mark.parametrize("left_at", [0, 1, 2])
async def test_an_error_behind_them_does_not_reach_calls_that_are_waited_for(
    noise: list[str], left_at: int
) -> None:
    """The first stage is slow and the second meets an error: what it waits for is paid for."""
    given = examples(50)
    begun, ended = 0, 0

    async def slow(example: Example) -> Item:
        nonlocal begun, ended
        begun += 1
        await asyncio.sleep(0.03 if given.index(example) > left_at else 0)
        ended += 1
        return example

    async def failing(example: Example) -> Item:
        await asyncio.sleep(0.01)
        if example is given[left_at]:
            raise BudgetSpent("spent")
        return example

    stages = [Stage.of("slow", slow, window=8), Stage.of("failing", failing, window=8)]
    with pytest.raises(BudgetSpent):
        await collect([*given], stages)
    assert begun == ended < 30


async def test_a_cancellation_waits_for_nothing(noise: list[str]) -> None:
    async def hangs(example: Example) -> Item:
        await asyncio.sleep(60)
        return example

    async def quick(example: Example) -> Item:
        return example

    stages = [Stage.of("quick", quick), Stage.of("a", hangs, window=4), Stage.of("b", quick)]
    task = asyncio.ensure_future(collect(list(examples(20)), stages))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task


async def test_a_step_that_is_cancelled_by_itself_does_not_leave_the_run_waiting(
    noise: list[str],
) -> None:
    given = examples(20)

    async def cancelled(example: Example) -> Item:
        if example is given[5]:
            raise asyncio.CancelledError
        return example

    async def step(example: Example) -> Item:
        return example

    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await collect(given, [Stage.of("first", cancelled), Stage.of("second", step)])


async def test_calls_that_all_fail_end_the_run_instead_of_every_row() -> None:
    async def step(example: Example) -> Item:
        raise ModelError("connection refused")

    out: list[Item] = []
    with pytest.raises(Fatal, match="calls in a row failed, the last: connection refused"):
        async for item in through(source(examples(500), Stop()), [Stage.of("call", step)]):
            out.append(item)
    assert len(out) < CircuitBreaker.LIMIT
