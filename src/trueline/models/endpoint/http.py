"""One request to an OpenAI-compatible server and its reply: every way to fail gets its name.

The key is read from the environment: TRUELINE_API_KEY goes to whatever host the user names,
OPENAI_API_KEY to openai.com alone, so that naming another server never hands it over.  No key is
ever part of an identity, a ledger, a log or an error, and no redirect is followed.  Proxies are
those of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
"""

from __future__ import annotations

import asyncio
import base64
import os
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from trueline.files.errors import InputError
from trueline.models.contract import Completion, Fatal, ModelError
from trueline.models.endpoint import backoff
from trueline.models.endpoint.chat_api import Malformed, NoLogprobs, Usage, completions, reason

CONNECT_S = 15.0
# Servers commonly drop a connection that was idle for five seconds; a request that is sent just
# then is lost, and whether it was answered is not known.
IDLE_S = 4.0
LONGEST_REPLY = 64 * 2**20  # bytes; no answer is that long, and a broken server's may never end

REFUSED = {"429", "503", "529"}  # the server takes no more just then
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_LATE = {408, 504, 524}  # the model may have answered, and charged, too late
_FATAL = {
    401: "the key is missing or wrong: set TRUELINE_API_KEY",
    402: "the account has no credit left",
    403: "the key may not use this model, or the server lets this text not pass",
    404: "there is no such path or model; the name is http(s)://HOST/v1#MODEL",
    407: "the proxy wants a user and password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
}
_NO_LOGPROBS = "the server gives no log-probabilities: ask for none, or choose another server"
_NAMED = "an endpoint is named http(s)://HOST/v1#MODEL"


class Failed(Exception):
    """One try that came to nothing.

    `final`: raised as this, not tried again; `every`: every further call would meet it too.
    `charged`: it may have been paid for all the same.  `after`: the seconds that the server asks
    to wait.
    """

    def __init__(
        self,
        kind: str,
        why: str,
        *,
        final: type[ModelError] | None = None,
        every: bool = False,
        charged: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(why)
        self.kind, self.final, self.every = kind, Fatal if every else final, every
        self.charged, self.after = charged, after


class Address(NamedTuple):
    """Where a server is, and what it is shown."""

    host: str
    path: str
    url: str
    authorization: str
    secrets: list[str]
    proxy: str | None

    def __repr__(self) -> str:
        return f"Address({self.url!r})"  # the rest holds the key


def address(url: str) -> Address:
    """The server of this URL (…/v1); InputError for what is none."""
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or parts.query:
        raise InputError(f"{_NAMED}, with no query; a / in a password is written %2F")
    name, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    path = parts.path.rstrip("/")
    bracketed = f"[{name}]" if ":" in name else name
    authorization = _authorization(name, parts.username, parts.password)
    proxy = None if proxy_bypass(f"{bracketed}{port}") else _proxy(parts.scheme)
    # A user without a password is a key.
    keys = [part.password or part.username or "" for part in (parts, urlsplit(proxy or ""))]
    written = (*keys, authorization.rpartition(" ")[2])
    secrets = [form for secret in written for form in {secret, unquote(secret)} if form]
    host = f"{name}{port}"
    return Address(
        host, path, f"{parts.scheme}://{bracketed}{port}{path}", authorization, secrets, proxy
    )


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None if it has no host or no readable port.  What Python says of
    such a URL may repeat the password in it, so it is not passed on."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is no number
    except ValueError:
        return None
    return parts if parts.hostname else None


def _proxy(scheme: str) -> str | None:
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy is None:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise InputError(
            f"{scheme.upper()}_PROXY names a {proxy.partition('://')[0]} proxy, and only http:// "
            "ones are spoken to: name one, or except the host by NO_PROXY"
        )
    if _split(proxy) is None:
        raise InputError(
            f"{scheme.upper()}_PROXY is not of the form http://USER:PASSWORD@HOST:PORT; a / in the "
            "password is written %2F"
        )
    return proxy


def _authorization(host: str, user: str | None, password: str | None) -> str:
    """The header for the host: the name's own user and password, else the key that it may see."""
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    ours = host == "openai.com" or host.endswith(".openai.com")
    key = os.environ.get("TRUELINE_API_KEY") or (ours and os.environ.get("OPENAI_API_KEY")) or ""
    if not key.strip().isprintable():
        raise InputError("the key in TRUELINE_API_KEY or OPENAI_API_KEY is not one line of text")
    return f"Bearer {key.strip()}" if key.strip() else ""


class Connection:
    """The connections to a server, in one event loop."""

    def __init__(self, to: Address, total_s: float) -> None:
        self.to = to
        self.loop = asyncio.get_running_loop()
        headers = {"Content-Type": "application/json"}
        if to.authorization:
            headers["Authorization"] = to.authorization
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=total_s, connect=None, sock_connect=CONNECT_S),
            # How many calls may be under way is the limiter's to say.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(
        self, raw: bytes, n: int, logprobs: bool
    ) -> tuple[list[Completion], Usage | None]:
        """Sends a request and reads the reply; raises Failed, whatever it is that fails."""
        url = f"{self.to.url}/chat/completions"
        try:
            async with self._session.post(
                url, data=raw, allow_redirects=False, proxy=self.to.proxy
            ) as got:
                text = await _bounded(got)
        except aiohttp.ClientConnectorCertificateError:
            raise Failed(
                "certificate", "the server's certificate is not trusted", every=True
            ) from None
        except aiohttp.ClientHttpProxyError as error:
            why = f"the proxy answers with HTTP {error.status}"
            raise Failed("proxy", why, every=error.status in _FATAL) from None
        except aiohttp.ClientProxyConnectionError:
            raise Failed("proxy", "no connection to the proxy of the environment") from None
        except aiohttp.ConnectionTimeoutError:
            raise Failed("connection", "no connection in time") from None
        except TimeoutError:
            raise Failed("timeout", "no answer in time", charged=True) from None
        except (aiohttp.InvalidURL, UnicodeError):  # a label of no or of 64 letters
            why = "the host's name, or the proxy's, is none that can be looked up"
            raise Failed("address", why, every=True) from None
        except aiohttp.ClientError as error:
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            why = f"the connection failed ({type(error).__name__})"
            raise Failed("connection", why, charged=sent) from None
        if got.status != 200:
            raise self._refused(got, text)
        try:
            return completions(text, n, logprobs)
        except NoLogprobs:
            raise Failed("malformed", _NO_LOGPROBS, final=Fatal, charged=True) from None
        except Malformed as error:
            raise Failed("malformed", str(error), charged=True) from None

    def _refused(self, got: aiohttp.ClientResponse, text: bytes) -> Failed:
        """What a status other than 200 means."""
        status, kind = got.status, str(got.status)
        if 300 <= status < 400:
            target = _split(got.headers.get("Location", ""))
            host = "" if target is None else target.hostname or ""
            target_host = "".join(filter(str.isprintable, host)) or "another path"
            why = (
                f"redirects to {target_host}; redirects are not followed, name that address itself"
            )
            return Failed(kind, why, every=True)
        code, words = reason(text, self.to.secrets)
        if status == 403 and b'"flagged_input"' in text:  # so says a router's moderation
            return Failed(kind, f"HTTP {status}: {words}", final=ModelError)
        if status in _FATAL:
            # What is said with a 401 may hold the key with a few letters starred out.
            quote = f" (it says: {words})" if words and status in (403, 404) else ""
            return Failed(kind, f"HTTP {status}: {_FATAL[status]}{quote}", every=True)
        if code == "insufficient_quota":  # as 429, though no waiting helps
            return Failed(kind, f"HTTP {status}: {_FATAL[402]}", every=True)
        why = f"HTTP {status}: {words}" if words else f"HTTP {status}"
        if status in _RETRIED or status >= 500:
            after = backoff.retry_after(got.headers.get("Retry-After"))
            return Failed(kind, why, charged=status in _LATE, after=after)
        return Failed(kind, why, final=ModelError)


async def _bounded(got: aiohttp.ClientResponse) -> bytes:
    """The whole body; Failed if it is longer than any answer."""
    text = bytearray()
    async for part in got.content.iter_chunked(2**16):
        text += part
        if len(text) > LONGEST_REPLY:
            why = f"the reply has more than {LONGEST_REPLY:,} bytes"
            raise Failed("malformed", why, final=ModelError, charged=True)
    return bytes(text)
