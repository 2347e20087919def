"""Stages: named places in the stream of a run, made from data on the worker that runs them.

A *step* answers for one Example: the Example, perhaps with more in it, or a `Rejected`.  A *table*
sees the whole stream (near-duplicates).  A *stage* gives it a name and knows how it is made:

    def short(context: RunContext, words: int) -> Step:
        '''Rejects responses of fewer words.'''

        def step(example: Example) -> Example | Rejected:
            count = len(example.responses[0].text.split())
            if count < words:
                return Rejected(example, "too short", f"{count} words")
            return example

        return step

    Stage("short", partial(short, words=3))

A step returns, it does not count: a run counts what comes out of its stages.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from trueline.records.types import Example, Reject
from trueline.runs.record import Input

if TYPE_CHECKING:
    from trueline.runs.context import RunContext


class Rejected(Struct, frozen=True):
    """An Example that does not pass, as a step says it.

    `reason` is short and the same for all of its kind, so that it can be counted; `detail` is the
    rest.  `example` is kept as it is here, with its labels and candidates.  With `retry_later` a
    call failed for now: the same command asks again.  The engine adds `stage`.
    """

    example: Example
    reason: str
    detail: str = ""
    retry_later: bool = False
    stage: str = ""


class Bound(Struct, frozen=True):
    """The most model calls and completion tokens, before retries."""

    calls: int = 0
    tokens: int = 0

    def __add__(self, other: Bound) -> Bound:
        return Bound(self.calls + other.calls, self.tokens + other.tokens)

    def __mul__(self, times: int) -> Bound:
        return Bound(self.calls * times, self.tokens * times)


Outcome: TypeAlias = Example | Rejected
Item: TypeAlias = Example | Rejected | Reject
"""What walks through the stream; a Reject is a row of the input that could not be read."""
Step: TypeAlias = Callable[[Example], Outcome]
AsyncStep: TypeAlias = Callable[[Example], Awaitable[Outcome]]
Table: TypeAlias = Callable[[AsyncIterator[Example]], AsyncGenerator[Outcome]]


@dataclass(frozen=True)
class Calls:
    """A step that calls models, with what a run must know of it.

    `bounds` is what one Example could cost at most, by model; `parallel` is how many Examples are
    worth having under way (None: no limit of its own); `inputs` are the instruments behind it.
    """

    step: AsyncStep
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    parallel: int | None = None
    inputs: tuple[Input, ...] = ()


Made: TypeAlias = Step | AsyncStep | Table | Calls
Make: TypeAlias = "Callable[[RunContext], Made | Awaitable[Made]]"


@dataclass(frozen=True)
class Stage:
    """A named place in the stream; `make` is data (a function of a module, or a `partial` of one),
    so that a stage can be sent to the worker that makes it.

    `window` is how many Examples an asynchronous step may have under way (None: the run's own).
    """

    name: str
    make: Make
    window: int | None = None

    @classmethod
    def of(cls, name: str, made: Made, window: int | None = None) -> Stage:
        """A stage of a step that is made already and needs nothing of a run."""
        return cls(name, partial(_use, made), window)


def _use(made: Made, context: RunContext) -> Made:
    return made
