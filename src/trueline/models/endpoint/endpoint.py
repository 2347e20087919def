"""A model behind an OpenAI-compatible server: vLLM, SGLang, Ollama, llama.cpp or a hosted one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from trueline.files.errors import InputError
from trueline.ledger.budget import bound
from trueline.ledger.client import LedgerClient
from trueline.models.contract import Completion, ModelError, Transient, Unsupported
from trueline.models.endpoint import adaptive_limit, backoff, http
from trueline.models.endpoint.chat_api import Request, Usage, body
from trueline.models.endpoint.http import Failed
from trueline.records.types import Message, Sampling, Tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONCURRENCY = 64
TOTAL_S = 600.0
RETRIES = 6
PATIENCE_S = 900.0  # for 429, which is no fault of the call's: by time, not by number


class LoopState(NamedTuple):
    """What belongs to one event loop."""

    connection: http.Connection
    limiter: adaptive_limit.Limiter


class Endpoint:
    """Chat completions at `url` (…/v1); each try is booked in the ledger, if there is one.

    At most `concurrency` requests are in flight at the host, fewer if it takes fewer; a permit
    is held for the call alone, not for its retries' waits nor for the ledger's write.  `revision`
    is the user's word that the model behind the name has changed.  With `hedge_s`, a request that
    has no answer after so many seconds is sent a second time and the first answer taken: both may
    be charged, and both are booked.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        ledger: LedgerClient | None = None,
        concurrency: int = CONCURRENCY,
        revision: str | None = None,
        retries: int = RETRIES,
        total_s: float = TOTAL_S,
        hedge_s: float | None = None,
    ) -> None:
        self._to = http.address(url)
        if not model:
            raise InputError("an endpoint is named http(s)://HOST/v1#MODEL: the model is missing")
        self.host = self._to.host
        self.identity = f"{self.host}{self._to.path}#{model}" + (f"@{revision}" if revision else "")
        self._model, self._ledger, self._retries = model, ledger, retries
        self._concurrency, self._total_s, self._hedge_s = concurrency, total_s, hedge_s
        self._alone = False  # the server gives one answer a request
        self._limit_field = "max_tokens"
        self._answered = False
        self._over: str | None = None  # what every further call in this event loop would meet
        self._state: LoopState | None = None

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
        drawn: list[Completion] = []
        while len(drawn) < n:
            place = len(drawn)
            drawn += await self.draw(
                messages, sampling, n - place, first + place, tools=tools, start=start
            )
        return drawn

    async def draw(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        n: int,
        first: int,
        *,
        tools: Sequence[Tool] = (),
        start: str = "",
    ) -> list[Completion]:
        """What one successful request gives: at least one of the n samples, in order.

        Raises Transient when the retries are used up, Fatal for what every call would meet,
        Unsupported if the server refuses `sampling.schema` or `tools`, and ModelError for what
        this call would meet again.
        """
        if start:
            # Servers that know no such field ignore it and answer in a turn of their own, and
            # nothing in the reply tells the two apart.
            raise Unsupported(f"{self.identity}: chat endpoints continue no begun turn")
        request = Request(messages, sampling, 1 if self._alone else n, first, tools)
        started, tries = time.monotonic(), 0
        while True:
            tries += 1
            limit_field = self._limit_field
            try:
                return await self._try(request)
            except Failed as error:
                failed = error
            if failed.kind in ("400", "422"):
                if limit_field == "max_tokens" and "max_completion_tokens" in str(failed):
                    self._limit_field = "max_completion_tokens"  # as the server asks us to
                    continue
                if request.n > 1:
                    return await self._draw_one(request)
                if sampling.schema is not None or tools:
                    what = "a JSON schema" if sampling.schema is not None else "tools"
                    raise Unsupported(f"{self.identity}: refuses {what}: {failed}")
            await asyncio.sleep(self._wait(failed, tries, time.monotonic() - started))

    def _wait(self, failed: Failed, tries: int, spent: float) -> float:
        """The seconds until the next try; raises if there is none."""
        if failed.final is not None:
            raise failed.final(f"{self.identity}: {failed}")
        wait = backoff.delay(tries, failed.after)
        if spent + wait > PATIENCE_S or (tries > self._retries and failed.kind != "429"):
            pause = f", asked to wait {failed.after:.0f} s" if failed.after else ""
            kind = ModelError if failed.kind == "malformed" else Transient
            raise kind(f"{self.identity}: {failed} (tries: {tries}{pause})")
        return wait

    async def _draw_one(self, request: Request) -> list[Completion]:
        """One answer, of a server that refused to give several: sample i is drawn with seed + i
        either way.  Once that is answered, no more than one is asked for."""
        messages, sampling, _, first, tools = request
        drawn = await self.draw(messages, sampling, 1, first, tools=tools)
        self._alone = True
        return drawn

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        raise Unsupported(f"{self.identity}: chat endpoints give no likelihoods of given text")

    async def activations(
        self, messages: Sequence[Message], layers: Sequence[int]
    ) -> NDArray[np.float32]:
        raise Unsupported(f"{self.identity}: chat endpoints give no activations")

    async def close(self) -> None:
        state, self._state = self._state, None
        if state is not None:
            adaptive_limit.leave_host(self.host, state.connection.loop)
            await state.connection.close()

    # ---- one try -----------------------------------------------------------------------------

    async def _try(self, request: Request) -> list[Completion]:
        """One request, or with hedging up to two of which the first answer counts."""
        if self._hedge_s is None:
            return await self._send(request)
        sent = asyncio.get_running_loop().create_future()
        tries = [asyncio.ensure_future(self._send(request, sent))]
        try:
            await asyncio.wait([*tries, sent], return_when=asyncio.FIRST_COMPLETED)
            if not (await asyncio.wait(tries, timeout=self._hedge_s))[0]:
                tries.append(asyncio.ensure_future(self._send(request)))
            left = set(tries)
            while True:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                answered = [task for task in done if task.exception() is None]
                if answered or not left:
                    return (answered or list(done))[0].result()
        finally:
            for task in tries:
                task.cancel()
            await asyncio.gather(*tries, return_exceptions=True)

    async def _send(
        self, request: Request, sent: asyncio.Future[None] | None = None
    ) -> list[Completion]:
        """One request, held to the host's limit and the budget, and booked."""
        connection, limiter = self._connect()
        ticket = await limiter.enter()
        refused: bool | None = None
        after: float | None = None
        try:
            if self._over is not None:
                raise Failed("over", self._over, every=True)
            if sent is not None:
                sent.set_result(None)
            drawn = await self._book(connection, request)
            refused, self._answered = False, True
        except Failed as failed:
            if failed.kind == "403" and self._answered:
                # The key is good, so it is the text that may not pass: a moderation, a firewall.
                failed.final, failed.every = ModelError, False
            if failed.every:  # noted here, before those who wait for a permit get this one
                self._over = str(failed)
            refused, after = (failed.kind in http.REFUSED) or None, failed.after
            raise
        finally:
            # A wait that nobody would wait ends this call; it is not the host's to rest so long.
            patient = after if after is not None and after < PATIENCE_S else None
            limiter.leave(ticket, refused=refused, after=patient)
        return drawn

    async def _book(self, connection: http.Connection, request: Request) -> list[Completion]:
        """The answer to a request, and in the ledger what it cost."""
        ledger, n, sampling = self._ledger, request.n, request.sampling
        raw = msgspec.json.encode(body(self._model, request, self._limit_field))
        if ledger is None:
            return (await connection.post(raw, n, sampling.logprobs))[0]
        most = bound(request.messages, sampling, n, tools=request.tools)
        attempt = await ledger.begin(self.identity, most, paid=True)
        try:
            drawn, usage = await connection.post(raw, n, sampling.logprobs)
        except Failed as failed:
            tokens = None if failed.charged else 0
            ledger.end(attempt, error=failed.kind, prompt=tokens, completion=tokens)
            raise
        except BaseException:
            ledger.end(attempt, error="cancelled")
            raise
        if usage is None:
            size = sum(_size(completion.message) for completion in drawn)
            usage = Usage(most.prompt, size if most.completion is None else most.completion)
        ledger.end(
            attempt,
            prompt=usage.prompt_tokens,
            completion=usage.completion_tokens,
            answers=len(drawn),
        )
        return drawn

    def _connect(self) -> LoopState:
        """The connections and the limiter of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._state is None or self._state.connection.loop is not loop:
            if self._state is not None:
                adaptive_limit.leave_host(self.host, self._state.connection.loop)
            self._over = None  # another loop is another time: the account may be filled up
            shared = adaptive_limit.join_host(self.host, self._concurrency)
            self._state = LoopState(http.Connection(self._to, self._total_s), shared)
        return self._state


def _size(message: Message) -> int:
    """Bytes of what was answered, which no tokenizer makes more tokens of."""
    calls = (call.name + call.arguments for call in message.tool_calls)
    return len("".join((message.content, *calls)).encode())
