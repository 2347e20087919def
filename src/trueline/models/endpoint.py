"""A model behind an OpenAI-compatible server: vLLM, SGLang, Ollama, llama.cpp or a hosted one.

The key is read from the environment: TRUELINE_API_KEY goes to whatever host the user names,
OPENAI_API_KEY to openai.com alone, so that naming another server never hands it over.  No key is
ever part of an identity, a ledger, a log or an error, and no redirect is followed.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec

from trueline.ledger.budget import bound
from trueline.ledger.ledger import Ledger
from trueline.models import backoff
from trueline.models.contract import Completion, Fatal, ModelError, Transient, Unsupported
from trueline.models.reply import Malformed, NoLogprobs, Usage, body, completions, reason
from trueline.records.errors import InputError
from trueline.records.types import Message, Sampling

CONCURRENCY = 64
CONNECT_S = 15.0
TOTAL_S = 600.0
RETRIES = 6
PATIENCE_S = 900.0  # for 429, which is no fault of the call's: by time, not by number
LONGEST_REPLY = 64 * 2**20  # bytes; no answer is that long, and a broken server's may never end

_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_LATE = {408, 504, 524}  # the model may have answered, and charged, too late
_FATAL = {
    401: "the key is missing or wrong: set TRUELINE_API_KEY",
    402: "the account has no credit left",
    403: "the key may not use this model",
    404: "there is no such path or model; the name is http(s)://HOST/v1#MODEL",
}


_NO_LOGPROBS = "the server gives no log-probabilities: ask for none, or choose another server"


class _Failed(Exception):
    """One try that came to nothing.

    `final`: raised as this, not tried again.  `charged`: it may have been paid for all the same.
    `after`: the seconds that the server asks to wait.
    """

    def __init__(
        self,
        kind: str,
        why: str,
        *,
        final: type[ModelError] | None = None,
        charged: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(why)
        self.kind, self.final, self.charged, self.after = kind, final, charged, after


class _Line(NamedTuple):
    """What belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    permits: asyncio.Semaphore


class Endpoint:
    """Chat completions at `url` (…/v1); each try is booked in the ledger, if there is one.

    `concurrency` bounds the requests in flight; a permit is held for the call alone, not for its
    retries' waits nor for the ledger's write.  `revision` is the user's word that the model
    behind the name has changed.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        ledger: Ledger | None = None,
        concurrency: int = CONCURRENCY,
        revision: str | None = None,
        retries: int = RETRIES,
        connect_s: float = CONNECT_S,
        total_s: float = TOTAL_S,
    ) -> None:
        try:
            parts = urlsplit(url)
            port = f":{parts.port}" if parts.port else ""
        except ValueError as error:  # its message holds no part that could be a password
            raise InputError(f"an endpoint is named http(s)://HOST/v1#MODEL: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or not model:
            raise InputError("an endpoint is named http(s)://HOST/v1#MODEL, with no query")
        self.host = f"{parts.hostname}{port}"
        path = parts.path.rstrip("/")
        self.identity = f"{self.host}{path}#{model}" + (f"@{revision}" if revision else "")
        address = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._url = f"{parts.scheme}://{address}{port}{path}"
        self._authorization = _authorization(parts.hostname, parts.username, parts.password)
        written = unquote(parts.password or ""), self._authorization.rpartition(" ")[2]
        self._secrets = [secret for secret in written if secret]
        self._alone = False  # the server gives one answer a request
        self._model, self._ledger, self._retries = model, ledger, retries
        self._concurrency = concurrency
        self._timeout = aiohttp.ClientTimeout(total=total_s, connect=None, sock_connect=connect_s)
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

        Raises Transient when the retries are used up, Fatal for what every call would meet, and
        ModelError for what this call would meet again.
        """
        started, tries = time.monotonic(), 0
        n = 1 if self._alone else n
        while True:
            tries += 1
            try:
                return await self._try(messages, sampling, n, first)
            except _Failed as failed:
                if failed.kind in ("400", "422") and n > 1:
                    return await self._one(messages, sampling, first)
                if failed.final is not None:
                    raise failed.final(f"{self.identity}: {failed}") from None
                wait = backoff.delay(tries, failed.after)
                limited = failed.kind == "429"
                late = time.monotonic() - started + wait > PATIENCE_S
                if late or (tries > self._retries and not limited):
                    asked = f", asked to wait {failed.after:.0f} s" if failed.after else ""
                    why = f"{failed} (tries: {tries}{asked})"
                    kind = ModelError if failed.kind == "malformed" else Transient
                    raise kind(f"{self.identity}: {why}") from None
                if limited or failed.after is not None:
                    backoff.pause(self.host, wait)
                else:
                    await asyncio.sleep(wait)

    async def _one(
        self, messages: Sequence[Message], sampling: Sampling, first: int
    ) -> list[Completion]:
        """One answer, of a server that refused to give several: sample i is drawn with seed + i
        either way.  Where that is answered, no more than one is asked for from now on."""
        drawn = await self.draw(messages, sampling, 1, first)
        self._alone = True
        return drawn

    async def score(self, messages: Sequence[Message], continuations: Sequence[str]) -> list[float]:
        raise Unsupported(f"{self.identity}: chat endpoints give no likelihoods of given text")

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.session.close()

    # ---- one try -----------------------------------------------------------------------------

    async def _try(
        self, messages: Sequence[Message], sampling: Sampling, n: int, first: int
    ) -> list[Completion]:
        """One request, held to the permits, the host's pauses and the budget, and booked."""
        line = self._connected()
        raw = msgspec.json.encode(body(self._model, messages, sampling, n, first))
        ledger = self._ledger
        async with line.permits:
            await backoff.clear(self.host)
            if ledger is None:
                return (await self._ask(line.session, raw, n, sampling.logprobs))[0]
            most = bound(messages, sampling, n)
            attempt = await ledger.begin(self.identity, most, paid=True)
            try:
                drawn, usage = await self._ask(line.session, raw, n, sampling.logprobs)
            except _Failed as failed:
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

    async def _ask(
        self, session: aiohttp.ClientSession, raw: bytes, n: int, logprobs: bool
    ) -> tuple[list[Completion], Usage | None]:
        """Sends the request and reads the reply; every way to fail becomes a _Failed."""
        address = f"{self._url}/chat/completions"
        try:
            async with session.post(address, data=raw, allow_redirects=False) as got:
                text = await _bounded(got)
        except aiohttp.ClientConnectorCertificateError:
            why = "the server's certificate is not trusted"
            raise _Failed("certificate", why, final=Fatal) from None
        except aiohttp.ConnectionTimeoutError:
            raise _Failed("connection", "no connection in time") from None
        except TimeoutError:
            raise _Failed("timeout", "no answer in time", charged=True) from None
        except aiohttp.ClientError as error:
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            why = f"the connection failed ({type(error).__name__})"
            raise _Failed("connection", why, charged=sent) from None
        if got.status != 200:
            raise self._refused(got, text)
        try:
            return completions(text, n, logprobs)
        except NoLogprobs:
            raise _Failed("malformed", _NO_LOGPROBS, final=Fatal, charged=True) from None
        except Malformed as error:
            raise _Failed("malformed", str(error), charged=True) from None

    def _refused(self, got: aiohttp.ClientResponse, text: bytes) -> _Failed:
        """What a status other than 200 means."""
        status, kind = got.status, str(got.status)
        if 300 <= status < 400:
            target = urlsplit(got.headers.get("Location", "")).hostname or "another path"
            why = f"redirects to {target}; redirects are not followed, name that address itself"
            return _Failed(kind, why, final=Fatal)
        if status in _FATAL:
            return _Failed(kind, f"HTTP {status}: {_FATAL[status]}", final=Fatal)
        code, told = reason(text, self._secrets)
        if code == "insufficient_quota":  # as 429, though no waiting helps
            return _Failed(kind, f"HTTP {status}: {_FATAL[402]}", final=Fatal)
        said = f"HTTP {status}: {told}" if told else f"HTTP {status}"
        if status in _RETRIED or status >= 500:
            after = backoff.retry_after(got.headers.get("Retry-After"))
            return _Failed(kind, said, charged=status in _LATE, after=after)
        return _Failed(kind, said, final=ModelError)

    def _connected(self) -> _Line:
        """The session and permits of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._line is None or self._line.loop is not loop:
            headers = {"Content-Type": "application/json"}
            if self._authorization:
                headers["Authorization"] = self._authorization
            session = aiohttp.ClientSession(
                headers=headers,
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=self._concurrency),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._line = _Line(loop, session, asyncio.Semaphore(self._concurrency))
        return self._line


async def _bounded(got: aiohttp.ClientResponse) -> bytes:
    """The whole body; _Failed where it is longer than any answer."""
    text = bytearray()
    async for part in got.content.iter_chunked(2**16):
        text += part
        if len(text) > LONGEST_REPLY:
            why = f"the reply has more than {LONGEST_REPLY:,} bytes"
            raise _Failed("malformed", why, final=ModelError, charged=True)
    return bytes(text)


def _authorization(host: str, user: str | None, password: str | None) -> str:
    """The header for the host: the name's own user and password, else the key that it may see."""
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    ours = host == "openai.com" or host.endswith(".openai.com")
    key = os.environ.get("TRUELINE_API_KEY") or (ours and os.environ.get("OPENAI_API_KEY")) or ""
    return f"Bearer {key.strip()}" if key else ""
