"""The engine: Examples walk through stages; what a stage rejects walks on to the end.

An engine makes the stages (`RunContext.make`) and sends the items through them.  Every engine
keeps these promises: order is kept; each item comes out once; if something fails, what came before
it in the order comes out first.  `LocalEngine` runs everything in this process.  Its memory is
bounded by the stages' windows; calls under way are waited for after an error, because they are
paid for.  A cancellation waits for nothing.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, cast

import msgspec

from trueline.files.errors import InputError
from trueline.ledger.budget import BudgetSpent
from trueline.models.contract import Fatal, ModelError, Transient
from trueline.records.types import Example
from trueline.runs.breaker import CircuitBreaker
from trueline.runs.context import RunContext
from trueline.runs.stage import AsyncStep, Calls, Item, Outcome, Rejected, Stage, Step, Table

AHEAD = 16  # results that may wait for one before them, in windows


class Engine(Protocol):
    """What sends items through stages."""

    def stream(self, source: AsyncGenerator[Item], stages: Sequence[Stage]) -> AsyncGenerator[Item]:
        """The stream after the last stage; close it (`contextlib.aclosing`), so that no call is
        under way when it is left.  A `Rejected` comes out with the name of its stage."""
        ...


class Stop:
    """Asked to stop: the source gives nothing more, what is under way is finished."""

    def __init__(self) -> None:
        self.asked = False


async def source(items: Iterable[Item], stop: Stop) -> AsyncGenerator[Item]:
    """The items, until there are none or the run is asked to stop; yields to the loop so that
    calls go on while a long file is read."""
    for number, item in enumerate(items):
        if stop.asked:
            return
        yield item
        if number % 64 == 0:
            await asyncio.sleep(0)


class LocalEngine:
    """Runs the stages in this process, on this event loop."""

    def __init__(self, context: RunContext) -> None:
        self.context = context

    async def stream(
        self, source: AsyncGenerator[Item], stages: Sequence[Stage]
    ) -> AsyncGenerator[Item]:
        items, ending = source, _Ending()
        for number, stage in enumerate(stages):
            made = await self.context.make(stage)
            window = self.context.window_of(stage, made)
            step = made.step if isinstance(made, Calls) else made
            if inspect.iscoroutinefunction(step):
                step = cast(AsyncStep, step)
                items = _Concurrent(items, stage.name, step, window, (number, ending)).results()
            elif inspect.isasyncgenfunction(step):
                items = _through_table(items, stage.name, cast(Table, step))
            else:
                items = _one_by_one(items, stage.name, cast(Step, step))
        async with aclosing(items):
            async for item in items:
                yield item


def name_outcome(outcome: Outcome, stage: str) -> Outcome:
    """What a step returned, with the name of its stage if it is a rejection."""
    if isinstance(outcome, Rejected):
        return msgspec.structs.replace(outcome, stage=stage)
    return outcome


def reject_failed_call(example: Example, error: ModelError) -> Rejected:
    """An Example whose model call failed; it is asked for again if it failed for now."""
    return Rejected(
        example, "the model call failed", str(error), retry_later=isinstance(error, Transient)
    )


@dataclass
class _Ending:
    """How many of the first stages begin nothing more, since one after them has met an error.

    They are told and not cancelled: a cancellation would reach the calls that they wait for, which
    are paid for.
    """

    stages: int = 0


async def _one_by_one(items: AsyncGenerator[Item], name: str, step: Step) -> AsyncGenerator[Item]:
    async with aclosing(items):
        async for item in items:
            if not isinstance(item, Example):
                yield item
                continue
            try:
                outcome = step(item)
            except Exception as error:
                _note_place(error, name, item)
                raise
            yield name_outcome(outcome, name)


class _Concurrent:
    """An asynchronous step on several Examples at a time; results in the order of the input.

    A feeder reads the input and begins a task for each Example, at most `window` at a time.  The
    queue holds tasks and other items in order, at most AHEAD windows of them, so that one slow
    call does not hold the others up; `results` takes them out, waiting for each.
    """

    def __init__(
        self,
        items: AsyncGenerator[Item],
        name: str,
        step: AsyncStep,
        window: int,
        place: tuple[int, _Ending],
    ) -> None:
        self._items, self._name, self._step = items, name, step
        self._number, self._ending = place
        self._queue: asyncio.Queue[asyncio.Task[Outcome] | Item | BaseException | None]
        self._queue = asyncio.Queue()
        self._room = asyncio.Semaphore(AHEAD * window)
        self._slots = asyncio.Semaphore(window)
        self._under_way: set[asyncio.Task[Outcome]] = set()
        self._breaker = CircuitBreaker()
        self._has_failed = False

    async def results(self) -> AsyncGenerator[Item]:
        feeder = asyncio.ensure_future(self._feed())
        try:
            while (entry := await self._queue.get()) is not None:
                self._room.release()
                if isinstance(entry, BaseException):
                    raise entry
                yield await entry if isinstance(entry, asyncio.Task) else entry
        except asyncio.CancelledError:
            for task in (feeder, *self._under_way):
                task.cancel()
            raise
        except BaseException:  # GeneratorExit too: who reads the stream has met an error
            self._begin_nothing_more()
            raise
        finally:
            await asyncio.gather(feeder, *self._under_way, return_exceptions=True)

    async def _feed(self) -> None:
        try:
            async with aclosing(self._items):
                async for item in self._items:
                    await self._room.acquire()
                    if isinstance(item, Example):
                        await self._slots.acquire()
                    if self._has_failed or self._number < self._ending.stages:
                        break
                    self._queue.put_nowait(self._begin(item) if isinstance(item, Example) else item)
            self._queue.put_nowait(None)
        # Raised again at its place in the order; a step may be cancelled though the run is not.
        except (Exception, asyncio.CancelledError) as error:
            self._queue.put_nowait(error)

    def _begin(self, example: Example) -> asyncio.Task[Outcome]:
        task = asyncio.ensure_future(self._attempt(example))
        self._under_way.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[Outcome]) -> None:
        self._slots.release()
        self._under_way.discard(task)
        # Record this failure even if an earlier one is raised first; begin nothing after it.
        if task.cancelled() or task.exception() is not None:
            self._has_failed = True

    def _begin_nothing_more(self) -> None:
        """Stops the feeders of this stage and of all before it, whatever they wait for here."""
        self._has_failed = True
        self._ending.stages = max(self._ending.stages, self._number)
        self._room.release()
        self._slots.release()

    async def _attempt(self, example: Example) -> Outcome:
        try:
            outcome = await self._step(example)
        except Fatal:
            raise
        except ModelError as error:
            self._breaker.record_failure(error)
            outcome = reject_failed_call(example, error)
        except Exception as error:
            _note_place(error, self._name, example)
            raise
        else:
            self._breaker.record_success()
        return name_outcome(outcome, self._name)


async def _through_table(
    items: AsyncGenerator[Item], name: str, table: Table
) -> AsyncGenerator[Item]:
    """A table sees Examples only; what was rejected before goes round it, in about its place."""
    passing: list[Item] = []

    async def examples() -> AsyncGenerator[Example]:
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Example):
                    yield item
                else:
                    passing.append(item)

    # Both are closed here: a table that is left lets go of its input some time later only.
    fed = examples()
    failure: Exception | None = None
    async with aclosing(fed), aclosing(table(fed)) as stream:
        while True:
            try:
                outcome = await anext(stream)
            except StopAsyncIteration:
                break
            except Exception as error:
                failure = error
                break
            for item in passing:
                yield item
            passing.clear()
            yield name_outcome(outcome, name)
    for item in passing:
        yield item
    if failure is not None:
        raise failure


def _note_place(error: Exception, stage: str, example: Example) -> None:
    """Note on the error where it happened, unless it is about the run and not about a row."""
    if not isinstance(error, (InputError, ModelError, BudgetSpent)):
        source = example.source
        row = f" ({source.dataset}, row {source.row})" if source else ""
        error.add_note(f"in stage {stage!r}, at Example {example.id}{row}")
