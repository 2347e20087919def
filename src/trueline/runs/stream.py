"""The stream: Examples walk through stages; what a stage turns away walks on as a Reject.

A stage is either a *step*, `step(example) -> Example | Reject`, applied to each Example on its
own (awaited several at a time where it is asynchronous), or a *table*, an asynchronous generator
over the whole stream (near-duplicates).  Order is kept; memory is bounded by the window.

Where something fails, what came before it in the order has walked through; calls that are under
way elsewhere are waited for, because they are paid for.  A cancellation waits for nothing.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from trueline.files.errors import InputError
from trueline.ledger.budget import BudgetSpent
from trueline.models.contract import Fatal, ModelError, Transient
from trueline.records.types import Example, Reject

Item = Example | Reject
Step = Callable[[Example], Item | Awaitable[Item]]
Table = Callable[[AsyncIterator[Example]], AsyncGenerator[Item]]


AHEAD = 16  # results that may wait for one before them, in windows


class Patience:
    """Ends a run in which every call fails: after so many in a row the rows are not at fault, and
    to turn away all the others would be a result that nobody wants."""

    IN_A_ROW = 50

    def __init__(self) -> None:
        self._failed = 0

    def answered(self) -> None:
        self._failed = 0

    def failed(self, error: ModelError) -> None:
        """Raises Fatal where this was one too many."""
        self._failed += 1
        if self._failed >= self.IN_A_ROW:
            raise Fatal(f"{self._failed} calls in a row failed, the last: {error}") from error


@dataclass
class Stage:
    """A named place in the stream, and what it has seen.

    Exactly one of `step` and `table` is set.  `window` is how many Examples an asynchronous step
    may have under way; AHEAD times as many may be done and wait for their turn, so that one slow
    call does not hold the others up.  `reasons` counts what it turned away, by reason, and `owed`
    those of them whose call failed for now and is worth another try.
    """

    name: str
    step: Step | None = None
    table: Table | None = None
    window: int = 256
    seen: int = 0
    passed: int = 0
    owed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, item: Item) -> None:
        self.seen += 1
        if isinstance(item, Reject):
            self.reasons[item.reason] += 1
        else:
            self.passed += 1


class Stop:
    """Asked to stop: the source gives nothing more, what is under way is finished."""

    def __init__(self) -> None:
        self.asked = False


@dataclass
class _Ending:
    """How many of the first stages begin nothing more, since one behind them has met an error.

    They are told and not cancelled: a cancellation would reach the calls that they wait for, which
    are paid for.
    """

    stages: int = 0


async def source(items: Iterable[Item], stop: Stop) -> AsyncGenerator[Item]:
    """The items, until there are none or the run is asked to stop; yields to the loop so that
    calls go on while a long file is read."""
    for number, item in enumerate(items):
        if stop.asked:
            return
        yield item
        if number % 64 == 0:
            await asyncio.sleep(0)


def through(items: AsyncGenerator[Item], stages: Iterable[Stage]) -> AsyncGenerator[Item]:
    """The stream behind the last stage; close it (`contextlib.aclosing`), so that no call is
    under way when it is left."""
    ending = _Ending()
    for number, stage in enumerate(stages):
        items = _apply(items, stage, number, ending)
    return items


def _apply(
    items: AsyncGenerator[Item], stage: Stage, number: int, ending: _Ending
) -> AsyncGenerator[Item]:
    if stage.table is not None:
        return _table(items, stage, stage.table)
    if stage.step is None:
        raise ValueError(f"stage {stage.name!r} has neither a step nor a table")
    if inspect.iscoroutinefunction(stage.step):
        return _several(items, stage, stage.step, number, ending)
    return _single(items, stage, stage.step)


async def _single(items: AsyncGenerator[Item], stage: Stage, step: Step) -> AsyncGenerator[Item]:
    async with aclosing(items):
        async for item in items:
            if isinstance(item, Example):
                try:
                    result = step(item)
                except Exception as error:
                    _place(error, stage, item)
                    raise
                assert not inspect.isawaitable(result), "an asynchronous step is `async def`"
                stage.count(result)
                item = result
            yield item


async def _several(
    items: AsyncGenerator[Item], stage: Stage, step: Step, number: int, ending: _Ending
) -> AsyncGenerator[Item]:
    """Steps under way side by side; their results in the order of the input."""
    queue: asyncio.Queue[asyncio.Task[Item] | Item | BaseException | None]
    queue = asyncio.Queue()
    room, places = asyncio.Semaphore(AHEAD * stage.window), asyncio.Semaphore(stage.window)
    under_way: set[asyncio.Task[Item]] = set()
    patience, broken = Patience(), False

    def ended(task: asyncio.Task[Item]) -> None:
        nonlocal broken
        places.release()
        under_way.discard(task)
        # Heard, though an earlier error may keep it from being raised; nothing after it comes out.
        broken = task.cancelled() or task.exception() is not None or broken

    async def feed() -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    await room.acquire()
                    if isinstance(item, Example):
                        await places.acquire()
                    if broken or number < ending.stages:
                        break
                    if isinstance(item, Example):
                        task = asyncio.ensure_future(_one(item, stage, step, patience))
                        under_way.add(task)
                        task.add_done_callback(ended)
                        queue.put_nowait(task)
                    else:
                        queue.put_nowait(item)
            queue.put_nowait(None)
        # Raised again at its place in the order; a step may be cancelled though the run is not.
        except (Exception, asyncio.CancelledError) as error:
            queue.put_nowait(error)

    feeder = asyncio.ensure_future(feed())
    try:
        while (entry := await queue.get()) is not None:
            room.release()
            if isinstance(entry, BaseException):
                raise entry
            if isinstance(entry, asyncio.Task):
                entry = await entry
                stage.count(entry)
            yield entry
    except asyncio.CancelledError:
        for task in (feeder, *under_way):
            task.cancel()
        raise
    except BaseException:  # GeneratorExit too: who reads the stream has met an error
        broken, ending.stages = True, max(ending.stages, number)
        room.release()
        places.release()
        raise
    finally:
        await asyncio.gather(feeder, *under_way, return_exceptions=True)


async def _one(example: Example, stage: Stage, step: Step, patience: Patience) -> Item:
    try:
        result = step(example)
        assert inspect.isawaitable(result)
        found: Item = await result
    except Fatal:
        raise
    except ModelError as error:
        patience.failed(error)
        stage.owed += isinstance(error, Transient)
        return Reject(stage.name, "the model call failed", example, detail=str(error))
    except Exception as error:
        _place(error, stage, example)
        raise
    patience.answered()
    return found


def _place(error: Exception, stage: Stage, example: Example) -> None:
    """Note on the error where it happened, unless it is about the run and not about a row."""
    if not isinstance(error, (InputError, ModelError, BudgetSpent)):
        source = example.source
        row = f" ({source.dataset}, row {source.row})" if source else ""
        error.add_note(f"in stage {stage.name!r}, at Example {example.id}{row}")


async def _table(items: AsyncGenerator[Item], stage: Stage, table: Table) -> AsyncGenerator[Item]:
    """A table sees Examples only; earlier Rejects go round it, in about their place."""
    passing: list[Reject] = []

    async def examples() -> AsyncGenerator[Example]:
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Reject):
                    passing.append(item)
                else:
                    yield item

    # Both are closed here: a table that is left lets go of its input some time later only.
    fed = examples()
    failure: Exception | None = None
    async with aclosing(fed), aclosing(table(fed)) as stream:
        while True:
            try:
                item = await anext(stream)
            except StopAsyncIteration:
                break
            except Exception as error:
                failure = error
                break
            for reject in passing:
                yield reject
            passing.clear()
            stage.count(item)
            yield item
    for reject in passing:
        yield reject
    if failure is not None:
        raise failure
