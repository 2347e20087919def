"""A model whose every call goes through the ledger: paid once, resumed, held to the budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from trueline.ledger.budget import TEMPLATE_TOKENS, Bound, bound
from trueline.ledger.client import LedgerClient
from trueline.ledger.keys import keys, loglikelihood_key
from trueline.models.contract import Completion, Model
from trueline.records.types import Message, Sampling

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
_completion = msgspec.json.Decoder(Completion)
_loglikelihoods = msgspec.json.Decoder(list[float])


def record(model: Model, ledger: LedgerClient) -> Model:
    """The model, with every call recorded in the ledger and counted as one attempt a request.

    For models that run here; an endpoint counts its own attempts, since it retries.
    """
    return Ledgered(Metered(model, ledger), ledger)


class Ledgered:
    """Answers from the ledger what was paid for before, and asks `inner` for the rest only.

    `inner` must count its own attempts.  Where it has a method `draw` (like `generate`, but it
    may give fewer samples), each part that comes is committed before the next is asked for.
    """

    def __init__(self, inner: Model, ledger: LedgerClient) -> None:
        self._inner, self._ledger = inner, ledger
        self.identity = inner.identity

    async def generate(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, first: int = 0
    ) -> list[Completion]:
        draw = getattr(self._inner, "draw", self._inner.generate)

        async def ask(start: int, count: int) -> list[bytes]:
            drawn = await draw(messages, sampling, count, first + start)
            return [_encode(completion) for completion in drawn]

        asked = keys(self.identity, messages, sampling, n, first)
        answers = await self._ledger.once(self.identity, asked, ask)
        return [_completion.decode(answer) for answer in answers]

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        async def ask(_start: int, _count: int) -> list[bytes]:
            return [_encode(await self._inner.loglikelihood(messages, continuations))]

        key = loglikelihood_key(self.identity, messages, continuations)
        (answer,) = await self._ledger.once(self.identity, [key], ask)
        return _loglikelihoods.decode(answer)

    async def close(self) -> None:
        await self._inner.close()


class Metered:
    """Counts one attempt for every request to a model that runs here; free of money."""

    def __init__(self, inner: Model, ledger: LedgerClient) -> None:
        self._inner, self._ledger = inner, ledger
        self.identity = inner.identity

    async def generate(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, first: int = 0
    ) -> list[Completion]:
        attempt = await self._ledger.begin(self.identity, bound(messages, sampling, n), paid=False)
        try:
            drawn = await self._inner.generate(messages, sampling, n, first)
        except BaseException as error:
            self._ledger.end(attempt, error=type(error).__name__, prompt=0, completion=0)
            raise
        self._ledger.end(
            attempt,
            prompt=max((completion.prompt_tokens for completion in drawn), default=0),
            completion=sum(completion.completion_tokens for completion in drawn),
            answers=len(drawn),
        )
        return drawn

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        texts = sum(len(text.encode()) + TEMPLATE_TOKENS for text in continuations)
        prompt = bound(messages, Sampling()).prompt
        most = Bound(prompt * len(continuations) + texts, 0)
        attempt = await self._ledger.begin(self.identity, most, paid=False)
        with_reads = getattr(self._inner, "loglikelihood_with_reads", None)
        read: int | None = None
        try:
            if with_reads is None:
                sums = await self._inner.loglikelihood(messages, continuations)
            else:
                sums, read = await with_reads(messages, continuations)
        except BaseException as error:
            self._ledger.end(attempt, error=type(error).__name__, prompt=0, completion=0)
            raise
        self._ledger.end(attempt, prompt=read, answers=1)
        return sums

    async def close(self) -> None:
        await self._inner.close()
