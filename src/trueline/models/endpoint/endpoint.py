"""A model behind an OpenAI-compatible server: vLLM, SGLang, Ollama, llama.cpp or a hosted one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from trueline.files.errors import InputError
from trueline.ledger.budget import bound
from trueline.ledger.client import LedgerClient
from trueline.models.contract import Completion, ModelError, Transient, Unsupported
from trueline.models.endpoint import adaptive_limit, backoff, http
from trueline.models.endpoint.chat_api import Usage, body
from trueline.models.endpoint.http import Failed
from trueline.records.types import Message, Sampling

CONCURRENCY = 64
TOTAL_S = 600.0
RETRIES = 6
PATIENCE_S = 900.0  # for 429, which is no fault of the call's: by time, not by number


class _Line(NamedTuple):
    """What belongs to one event loop."""

    wire: http.Wire
    limiter: adaptive_limit.Limiter


class _Asked(NamedTuple):
    """One request."""

    messages: Sequence[Message]
    sampling: Sampling
    n: int
    first: int
    limit_field: str


class Endpoint:
    """Chat completions at `url` (…/v1); each try is booked in the ledger, if there is one.

    At most `concurrency` requests are in flight at the host, fewer where it takes fewer; a permit
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
        self._line: _Line | None = None

    async def generate(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, first: int = 0
    ) -> list[Completion]:
        drawn: list[Completion] = []
        while len(drawn) < n:
            drawn += await self.draw(messages, sampling, n - len(drawn), first + len(drawn))
        return drawn

    async def draw(
        self, messages: Sequence[Message], sampling: Sampling, n: int, first: int
    ) -> list[Completion]:
        """What one successful request gives: at least one of the n samples, in order.

        Raises Transient when the retries are used up, Fatal for what every call would meet,
        Unsupported where the server refuses `sampling.schema`, and ModelError for what this call
        would meet again.
        """
        started, tries = time.monotonic(), 0
        n = 1 if self._alone else n
        while True:
            tries += 1
            asked = _Asked(messages, sampling, n, first, self._limit_field)
            try:
                return await self._try(asked)
            except Failed as error:
                failed = error
            if failed.kind in ("400", "422"):
                if asked.limit_field == "max_tokens" and "max_completion_tokens" in str(failed):
                    self._limit_field = "max_completion_tokens"  # as the server asks us to
                    continue
                if n > 1:
                    return await self._one(messages, sampling, first)
                if sampling.schema is not None:
                    raise Unsupported(f"{self.identity}: refuses a JSON schema: {failed}")
            await asyncio.sleep(self._wait(failed, tries, time.monotonic() - started))

    def _wait(self, failed: Failed, tries: int, spent: float) -> float:
        """The seconds until the next try; raises where there is none."""
        if failed.final is not None:
            raise failed.final(f"{self.identity}: {failed}")
        wait = backoff.delay(tries, failed.after)
        if spent + wait > PATIENCE_S or (tries > self._retries and failed.kind != "429"):
            asked = f", asked to wait {failed.after:.0f} s" if failed.after else ""
            kind = ModelError if failed.kind == "malformed" else Transient
            raise kind(f"{self.identity}: {failed} (tries: {tries}{asked})")
        return wait

    async def _one(
        self, messages: Sequence[Message], sampling: Sampling, first: int
    ) -> list[Completion]:
        """One answer, of a server that refused to give several: sample i is drawn with seed + i
        either way.  Where that is answered, no more than one is asked for from now on."""
        drawn = await self.draw(messages, sampling, 1, first)
        self._alone = True
        return drawn

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        raise Unsupported(f"{self.identity}: chat endpoints give no likelihoods of given text")

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            adaptive_limit.part(self.host, line.wire.loop)
            await line.wire.close()

    # ---- one try -----------------------------------------------------------------------------

    async def _try(self, asked: _Asked) -> list[Completion]:
        """One request, or with hedging up to two of which the first answer counts."""
        if self._hedge_s is None:
            return await self._send(asked)
        sent = asyncio.get_running_loop().create_future()
        tries = [asyncio.ensure_future(self._send(asked, sent))]
        try:
            await asyncio.wait([*tries, sent], return_when=asyncio.FIRST_COMPLETED)
            if not (await asyncio.wait(tries, timeout=self._hedge_s))[0]:
                tries.append(asyncio.ensure_future(self._send(asked)))
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
        self, asked: _Asked, sent: asyncio.Future[None] | None = None
    ) -> list[Completion]:
        """One request, held to the host's limit and the budget, and booked."""
        line = self._connected()
        ticket = await line.limiter.enter()
        refused: bool | None = None
        after: float | None = None
        try:
            if self._over is not None:
                raise Failed("over", self._over, every=True)
            if sent is not None:
                sent.set_result(None)
            drawn = await self._booked(line.wire, asked)
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
            line.limiter.leave(ticket, refused=refused, after=patient)
        return drawn

    async def _booked(self, to: http.Wire, asked: _Asked) -> list[Completion]:
        ledger, n, sampling = self._ledger, asked.n, asked.sampling
        raw = msgspec.json.encode(body(self._model, *asked))
        if ledger is None:
            return (await to.ask(raw, n, sampling.logprobs))[0]
        most = bound(asked.messages, sampling, n)
        attempt = await ledger.begin(self.identity, most, paid=True)
        try:
            drawn, usage = await to.ask(raw, n, sampling.logprobs)
        except Failed as failed:
            tokens = None if failed.charged else 0
            ledger.end(attempt, error=failed.kind, prompt=tokens, completion=tokens)
            raise
        except BaseException:
            ledger.end(attempt, error="cancelled")
            raise
        if usage is None:
            texts = sum(len(completion.text.encode()) for completion in drawn)
            usage = Usage(most.prompt, texts if most.completion is None else most.completion)
        ledger.end(
            attempt,
            prompt=usage.prompt_tokens,
            completion=usage.completion_tokens,
            answers=len(drawn),
        )
        return drawn

    def _connected(self) -> _Line:
        """The connections and the limiter of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._line is None or self._line.wire.loop is not loop:
            if self._line is not None:
                adaptive_limit.part(self.host, self._line.wire.loop)
            self._over = None  # another loop is another time: the account may be filled up
            shared = adaptive_limit.join(self.host, self._concurrency)
            self._line = _Line(http.Wire(self._to, self._total_s), shared)
        return self._line
