"""The stream: Examples walk through stages; what a stage turns away walks on as a Reject.

A stage is either a *step*, `step(example) -> Example | Reject`, applied to each Example on its
own (awaited several at a time where it is asynchronous), or a *table*, an asynchronous generator
over the whole stream (near-duplicates).  Order is kept; memory is bounded by the window.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from trueline.models.contract import Fatal, ModelError
from trueline.records.types import Example, Reject

Item = Example | Reject
Step = Callable[[Example], Item | Awaitable[Item]]
Table = Callable[[AsyncIterator[Example]], AsyncIterator[Item]]


@dataclass
class Stage:
    """A named place in the stream, and what it has seen.

    Exactly one of `step` and `table` is set.  `window` is how many Examples an asynchronous step
    may have under way; `reasons` counts what it turned away, by reason.
    """

    name: str
    step: Step | None = None
    table: Table | None = None
    window: int = 256
    seen: int = 0
    passed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, item: Item) -> None:
        self.seen += 1
        if isinstance(item, Reject):
            self.reasons[item.reason.split(":")[0]] += 1
        else:
            self.passed += 1


class Stop:
    """Asked to stop: the source gives nothing more, what is under way is finished."""

    def __init__(self) -> None:
        self.asked = False


async def source(items: Iterable[Item], stop: Stop) -> AsyncIterator[Item]:
    """The items, until there are none or the run is asked to stop; yields to the loop so that
    calls go on while a long file is read."""
    for number, item in enumerate(items):
        if stop.asked:
            return
        yield item
        if number % 64 == 0:
            await asyncio.sleep(0)


def through(items: AsyncIterator[Item], stages: Iterable[Stage]) -> AsyncIterator[Item]:
    """The stream behind the last stage."""
    for stage in stages:
        items = _apply(items, stage)
    return items


def _apply(items: AsyncIterator[Item], stage: Stage) -> AsyncIterator[Item]:
    if stage.table is not None:
        return _table(items, stage, stage.table)
    if stage.step is None:
        raise ValueError(f"stage {stage.name!r} has neither a step nor a table")
    if inspect.iscoroutinefunction(stage.step):
        return _several(items, stage, stage.step)
    return _single(items, stage, stage.step)


async def _single(items: AsyncIterator[Item], stage: Stage, step: Step) -> AsyncIterator[Item]:
    async with aclosing(items):  # type: ignore[type-var]
        async for item in items:
            if isinstance(item, Example):
                result = step(item)
                assert not inspect.isawaitable(result), "an asynchronous step is `async def`"
                stage.count(result)
                item = result
            yield item


async def _several(items: AsyncIterator[Item], stage: Stage, step: Step) -> AsyncIterator[Item]:
    """Steps under way side by side; their results in the order of the input."""
    queue: asyncio.Queue[asyncio.Task[Item] | Item | Exception | None]
    queue = asyncio.Queue(stage.window)
    under_way: set[asyncio.Task[Item]] = set()

    async def feed() -> None:
        try:
            async with aclosing(items):  # type: ignore[type-var]
                async for item in items:
                    if isinstance(item, Example):
                        task = asyncio.ensure_future(_one(item, stage, step))
                        under_way.add(task)
                        task.add_done_callback(under_way.discard)
                        await queue.put(task)
                    else:
                        await queue.put(item)
            await queue.put(None)
        except Exception as error:  # raised again at its place in the order
            await queue.put(error)

    feeder = asyncio.ensure_future(feed())
    try:
        while (entry := await queue.get()) is not None:
            if isinstance(entry, Exception):
                raise entry
            if isinstance(entry, asyncio.Task):
                entry = await entry
                stage.count(entry)
            yield entry
    finally:
        # What is paid for is worth waiting for: a stop lets the calls under way end and be
        # recorded.  A second interrupt cancels this very wait.
        feeder.cancel()
        await asyncio.gather(feeder, *under_way, return_exceptions=True)


async def _one(example: Example, stage: Stage, step: Step) -> Item:
    try:
        result = step(example)
        assert inspect.isawaitable(result)
        return await result
    except Fatal:
        raise
    except ModelError as error:
        return Reject(stage.name, f"the model call failed: {error}", example)


async def _table(items: AsyncIterator[Item], stage: Stage, table: Table) -> AsyncIterator[Item]:
    """A table sees Examples only; earlier Rejects go round it, in about their place."""
    passing: list[Reject] = []

    async def examples() -> AsyncIterator[Example]:
        async with aclosing(items):  # type: ignore[type-var]
            async for item in items:
                if isinstance(item, Reject):
                    passing.append(item)
                else:
                    yield item

    stream = table(examples())
    async with aclosing(stream):  # type: ignore[type-var]
        async for item in stream:
            while passing:
                yield passing.pop(0)
            stage.count(item)
            yield item
    for reject in passing:
        yield reject
