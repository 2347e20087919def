"""A model whose every call goes through the ledger: paid once, resumed, held to the budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from trueline.ledger.budget import TEMPLATE_TOKENS, Bound, bound
from trueline.ledger.client import LedgerClient
from trueline.ledger.keys import keys, loglikelihood_key
from trueline.models.contract import Completion, Model
from trueline.records.types import Message, Sampling, Tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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

    `inner` must count its own attempts.  If it has a method `draw` (like `generate`, but it may
    give fewer samples), each part that comes is committed before the next is asked for.
    """

    def __init__(self, inner: Model, ledger: LedgerClient) -> None:
        self._inner, self._ledger = inner, ledger
        self.identity = inner.identity

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        n: int = 1,
        first: int = 0,
        *,
        tools: Sequence[Tool] = (),
        start: str = "",
    ) -> list[Completion]:
        draw = getattr(self._inner, "draw", self._inner.generate)

        async def ask(place: int, count: int) -> list[bytes]:
            drawn = await draw(messages, sampling, count, first + place, tools=tools, start=start)
            return [_encode(completion) for completion in drawn]

        samples = keys(self.identity, messages, sampling, n, first, tools=tools, start=start)
        answers = await self._ledger.once(self.identity, samples, ask)
        return [_completion.decode(answer) for answer in answers]

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        async def ask(_start: int, _count: int) -> list[bytes]:
            return [_encode(await self._inner.loglikelihood(messages, continuations))]

        key = loglikelihood_key(self.identity, messages, continuations)
        (answer,) = await self._ledger.once(self.identity, [key], ask)
        return _loglikelihoods.decode(answer)

    async def activations(
        self, messages: Sequence[Message], layers: Sequence[int]
    ) -> NDArray[np.float32]:
        return await self._inner.activations(messages, layers)

    async def close(self) -> None:
        await self._inner.close()


class Metered:
    """Counts one attempt for every request to a model that runs here; free of money."""

    def __init__(self, inner: Model, ledger: LedgerClient) -> None:
        self._inner, self._ledger = inner, ledger
        self.identity = inner.identity

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        n: int = 1,
        first: int = 0,
        *,
        tools: Sequence[Tool] = (),
        start: str = "",
    ) -> list[Completion]:
        most = bound(messages, sampling, n, tools=tools, start=start)
        attempt = await self._ledger.begin(self.identity, most, paid=False)
        try:
            drawn = await self._inner.generate(
                messages, sampling, n, first, tools=tools, start=start
            )
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

    async def activations(
        self, messages: Sequence[Message], layers: Sequence[int]
    ) -> NDArray[np.float32]:
        return await self._inner.activations(messages, layers)

    async def close(self) -> None:
        await self._inner.close()
