"""Boilerplate: one chosen text that is used thousands of times, as in the released Safer-Instruct
data (arXiv 2311.08685)."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator

from trueline.files.errors import InputError
from trueline.files.hashing import text_digest
from trueline.policy.values import preferred_responses
from trueline.records.types import Example
from trueline.runs.context import RunContext
from trueline.runs.stage import Outcome, Rejected, Step, Table


class ChosenTexts:
    """How often each chosen text was used.

    Counts digests, not texts, so that a table of millions fits in memory.
    """

    def __init__(self) -> None:
        self._uses: Counter[int] = Counter()

    def add(self, example: Example) -> int:
        """The number of this use of the Example's chosen text; 0 if it prefers no response."""
        pair = preferred_responses(example)
        if pair is None:
            return 0
        key = int(text_digest(" ".join(pair[0].text.split()).casefold())[:16], 16)
        self._uses[key] += 1
        return self._uses[key]

    @property
    def total(self) -> int:
        return self._uses.total()

    @property
    def most(self) -> int:
        """Uses of the most frequent chosen text."""
        return max(self._uses.values(), default=0)

    @property
    def share(self) -> float:
        """Uses of the most frequent chosen text, as a share of all."""
        return self.most / self.total if self.total else 0.0


def boilerplate(context: RunContext, *, keep: int | None = None) -> Table | Step:
    """Rejects an Example if its chosen text was used `keep` times before; None keeps all.

    Raises InputError if not even one use may be kept.
    """
    if keep is not None and keep < 1:
        raise InputError(f"boilerplate: at least one use must be kept, not {keep}")

    if keep is None:
        return pass_example

    async def table(stream: AsyncIterator[Example]) -> AsyncGenerator[Outcome]:
        texts = ChosenTexts()
        async for example in stream:
            use = texts.add(example)
            if use > keep:
                detail = f"use {use} of the same chosen text, {keep} kept"
                yield Rejected(example, "boilerplate", detail)
            else:
                yield example

    return table


def pass_example(example: Example) -> Outcome:
    return example
