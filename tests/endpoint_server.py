"""A local OpenAI-compatible chat-completions server, for tests and benchmarks.

Answers are a hash of the messages and seed + index.  It can be slow, jitter, refuse (429, 500),
hang, and answer nonsense, at rates that a seed decides, or by a list of faults for the next
requests.  It counts what it received and what it answered, by a digest of each body, in memory
and, with `log`, in a JSONL file that survives the death of its clients and its own.

In a test:      async with Server(rate_429=0.1) as server: … server.url, server.received
As a process:   python -m tests.endpoint_server --port 0 --log requests.jsonl
                prints {"url": …} on its first line; GET /stats gives the counts
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from aiohttp import web

WORDS = "the river runs under an old bridge and a quiet garden waits for slow warm rain".split()

NONSENSE: dict[str, str] = {
    "html": "<html><body>Bad gateway</body></html>",
    "half": '{"choices": [{"index": 0, "message": {"role": "assi',
    "empty": '{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 0}}',
    "error": '{"error": {"message": "the engine is dead", "code": 500}}',
    "no-message": '{"choices": [{"index": 0}]}',
    "deep": '{"error": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "not-utf8": '{"choices": [{"message": {"content": "\udcff"}}]}',
}
STATUS = {"400", "401", "402", "403", "404", "408", "409", "429", "500", "502", "503"}


def answer(messages: list[dict[str, Any]], seed: int) -> str:
    """A sentence that depends on nothing but the conversation and the sample's seed."""
    said = json.dumps([messages, seed], sort_keys=True).encode()
    drawn = random.Random(hashlib.sha256(said).digest())
    return " ".join(drawn.choice(WORDS) for _ in range(drawn.randint(4, 24)))


@dataclass
class Server:
    """The server and its faults; rates are between 0 and 1, times in seconds.

    `limit` refuses with 429 what goes beyond that many requests at once.  `retry_after` is sent
    with every 429 and 503.  `faults` are used up by the next requests, one each: a status, a
    name in NONSENSE, "hang", "drop", "short" (one choice too few), "ok", or "redirect:URL".
    `reply` replaces the answers: (request body, index) -> text or a choice's message; `charge`
    what it says was used.  With `alone` it refuses to give several answers, and without
    `logprobs` it gives none though they are asked for.  `complaint` is the error it sends.
    """

    port: int = 0
    latency: float = 0.0
    jitter: float = 0.0
    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_hang: float = 0.0
    rate_html: float = 0.0
    retry_after: str = ""
    limit: int = 0
    seed: int = 0
    log: str = ""
    usage: bool = True
    faults: list[str] = field(default_factory=list)
    reply: Callable[[dict[str, Any], int], str | dict[str, Any]] | None = None
    charge: Any = None
    alone: bool = False
    logprobs: bool = True
    complaint: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.received: list[str] = []
        self.answered: list[str] = []
        self.refused: Counter[str] = Counter()
        self.bodies: deque[dict[str, Any]] = deque(maxlen=1000)
        self.headers: deque[dict[str, str]] = deque(maxlen=1000)
        self.busy = self.most_busy = 0
        self.url = ""
        self._seen: Counter[str] = Counter()
        self._stop = asyncio.Event()
        self._log = Path(self.log).open("a", buffering=1) if self.log else None  # noqa: SIM115

    async def __aenter__(self) -> Server:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/stats", self._stats)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self._runner.cleanup()
        if self._log:
            self._log.close()

    def stats(self) -> dict[str, Any]:
        """What it has seen: requests, answers, refusals by kind, bodies answered twice or more."""
        twice = {body: n for body, n in Counter(self.answered).items() if n > 1}
        return {
            "received": len(self.received),
            "answered": len(self.answered),
            "refused": dict(self.refused),
            "answered_twice": len(twice),
            "most_busy": self.most_busy,
        }

    # ---- handlers ----------------------------------------------------------------------------

    async def _stats(self, _request: web.Request) -> web.Response:
        return web.json_response(self.stats())

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "test", "object": "model"}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        digest = hashlib.sha256(raw).hexdigest()[:16]
        asked = json.loads(raw)
        self.bodies.append(asked)
        self.headers.append(dict(request.headers))
        self.received.append(digest)
        self._write("received", digest)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            return await self._respond(request, digest, asked)
        finally:
            self.busy -= 1

    async def _respond(
        self, request: web.Request, digest: str, asked: dict[str, Any]
    ) -> web.StreamResponse:
        draw = random.Random(f"{self.seed} {digest} {self._seen[digest]}")
        self._seen[digest] += 1
        fault = self._fault(draw)
        if fault == "429" and self.limit and self.busy > self.limit:
            return self._refuse(fault)
        await asyncio.sleep(self.latency + draw.random() * self.jitter)
        if fault == "hang":
            self.refused[fault] += 1
            await self._stop.wait()
        if fault == "drop" and request.transport:
            self.refused[fault] += 1
            request.transport.close()
        if fault.startswith("redirect:"):
            self.refused["redirect"] += 1
            raise web.HTTPTemporaryRedirect(fault.partition(":")[2])
        if self.alone and (asked.get("n") or 1) > 1:
            fault = "400"
        if fault in STATUS:
            return self._refuse(fault)
        if fault in NONSENSE:
            self.refused[fault] += 1
            raw = NONSENSE[fault].encode(errors="surrogateescape")
            return web.Response(body=raw, content_type="application/json")
        body = self._completion(asked, short=fault == "short")
        self.answered.append(digest)
        self._write("answered", digest)
        return web.json_response(body)

    def _fault(self, draw: random.Random) -> str:
        if self.faults:
            return self.faults.pop(0)
        if self.limit and self.busy > self.limit:
            return "429"
        chance = draw.random()
        rates = {"429": self.rate_429, "500": self.rate_500, "hang": self.rate_hang}
        for name, rate in {**rates, "html": self.rate_html}.items():
            if chance < rate:
                return name
            chance -= rate
        return "ok"

    def _refuse(self, status: str) -> web.Response:
        self.refused[status] += 1
        slow = self.retry_after if status in {"429", "503"} else ""
        error = {"message": f"refused with {status}", "code": int(status), **self.complaint}
        body = {"error": error}
        return web.json_response(
            body, status=int(status), headers={"Retry-After": slow} if slow else None
        )

    def _completion(self, asked: dict[str, Any], *, short: bool) -> dict[str, Any]:
        n = asked.get("n") or 1
        indices = range(max(1, n - 1) if short else n)
        choices = [self._choice(asked, index) for index in indices]
        tokens = sum(len(c["message"]["content"].split()) for c in choices)
        prompt = sum(len((m.get("content") or "").split()) for m in asked["messages"])
        usage = self.charge or {"prompt_tokens": prompt, "completion_tokens": tokens}
        return {
            "id": "chatcmpl-test",
            "object": "chat.completion",
            "model": asked.get("model"),
            "choices": choices,
            **({"usage": usage} if self.usage else {}),
        }

    def _choice(self, asked: dict[str, Any], index: int) -> dict[str, Any]:
        made = (
            self.reply(asked, index)
            if self.reply
            else answer(asked["messages"], (asked.get("seed") or 0) + index)
        )
        message = {"role": "assistant", "content": made} if isinstance(made, str) else made
        text, finish = message.get("content") or "", "stop"
        stops = asked.get("stop") or []
        for stop in [stops] if isinstance(stops, str) else stops:
            text = text.partition(stop)[0]
        words = text.split(" ")
        if (most := asked.get("max_tokens")) and len(words) > most:
            text, finish = " ".join(words[:most]), "length"
        choice: dict[str, Any] = {
            "index": index,
            "message": {**message, "content": text},
            "finish_reason": finish,
        }
        if asked.get("logprobs") and self.logprobs:
            tokens = [{"token": word, "logprob": -0.5} for word in text.split()]
            choice["logprobs"] = {"content": tokens}
        return choice

    def _write(self, event: str, digest: str) -> None:
        if self._log:
            self._log.write(json.dumps({"event": event, "body": digest}) + "\n")


async def serve(server: Server) -> None:
    """Runs until it is killed."""
    async with server:
        print(json.dumps({"url": server.url}), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for each in fields(Server):
        if isinstance(each.default, int | float | str):
            flag = "--" + each.name.replace("_", "-")
            kind = type(each.default)
            if kind is bool:
                parser.add_argument(
                    flag, action=argparse.BooleanOptionalAction, default=each.default
                )
            else:
                parser.add_argument(flag, type=kind, default=each.default)
    asyncio.run(serve(Server(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
