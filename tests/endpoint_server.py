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
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.http_server import Connection, Request

WORDS = "the river runs under an old bridge and a quiet garden waits for slow warm rain".split()
MODELS = {"object": "list", "data": [{"id": "test", "object": "model"}]}
BIN_S = 0.1  # of the timeline of answers
_EMPTY = re.compile(rb'"messages":\s*\[\s*\]')

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


class _Call(NamedTuple):
    """One request for a completion, and what is to come of it ("full": refused at once)."""

    request: Request
    connection: Connection
    digest: str
    fault: str


@dataclass
class Server:
    """The server and its faults; rates are between 0 and 1, times in seconds.

    `limit` refuses with 429 what goes beyond that many requests at once, and from `storm_at`
    after the first request on, for `storm_s`, all of them.  `retry_after` is sent with every 429
    and 503.  `faults` are used up by the next requests, one each: a status, a name in NONSENSE,
    "hang", "drop", "short" (one choice too few), "ok", or "redirect:URL".  `reply` replaces the
    answers: (request body, index) -> text or a choice's message; `charge` what it says was used.
    With `alone` it refuses to give several answers, and without `logprobs` it gives none though
    they are asked for.  `complaint` is the error it sends.  With `words`, every answer is one of
    a few texts of so many words, whatever is asked, so that answering costs next to nothing.
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
    storm_at: float = 0.0
    storm_s: float = 0.0
    words: int = 0
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
        self.busy = self.most_busy = 0
        self.url = ""
        self._latest: deque[Request] = deque(maxlen=1000)
        self._seen: Counter[str] = Counter()
        self._began = self._ended = 0.0
        self._timeline: Counter[int] = Counter()
        self._open: set[Connection] = set()
        self._log = Path(self.log).open("a", buffering=1) if self.log else None  # noqa: SIM115
        self._rates = {
            "429": self.rate_429,
            "500": self.rate_500,
            "hang": self.rate_hang,
            "html": self.rate_html,
        }
        asked = {"model": "test", "messages": []}
        texts = [" ".join(random.Random(i).choices(WORDS, k=self.words)) for i in range(64)]
        self._ready = [
            json.dumps(self._completion(asked, [self._choice(asked, 0, text)])).encode()
            for text in texts[: 64 if self.words else 0]
        ]

    async def __aenter__(self) -> Server:
        loop = asyncio.get_running_loop()
        # The default backlog drops connections where some hundreds are opened at once, and each
        # comes again after a second.
        self._server = await loop.create_server(
            partial(Connection, self._handle, self._open), "127.0.0.1", self.port, backlog=4096
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in list(self._open):
            connection.close()
        await asyncio.sleep(0)  # connections close in the loop's next round
        if self._log:
            self._log.close()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Of the latest 1,000 requests."""
        return [json.loads(request.body) for request in self._latest]

    @property
    def headers(self) -> list[dict[str, str]]:
        """Of the latest 1,000 requests."""
        return [request.headers() for request in self._latest]

    def stats(self) -> dict[str, Any]:
        """What it has seen: requests, answers, refusals by kind, bodies answered at all and twice
        or more; the seconds from the first request to the last answer, the process's CPU, and
        answers by BIN_S."""
        times = Counter(self.answered)
        bins = range(max(self._timeline, default=-1) + 1)
        return {
            "received": len(self.received),
            "answered": len(self.answered),
            "refused": dict(self.refused),
            "distinct": len(times),
            "answered_twice": sum(n > 1 for n in times.values()),
            "most_busy": self.most_busy,
            "serving_s": self._ended - self._began,
            "cpu_s": time.process_time(),
            "timeline": [self._timeline[i] for i in bins],
        }

    # ---- one request -------------------------------------------------------------------------

    def _handle(self, request: Request, connection: Connection) -> None:
        match request.method, request.path:
            case b"POST", b"/v1/chat/completions":
                self._chat(request, connection)
            case b"GET", b"/v1/models":
                connection.send(200, json.dumps(MODELS).encode())
            case b"GET", b"/stats":
                connection.send(200, json.dumps(self.stats()).encode())
            case _:
                connection.send(404, b'{"error": {"message": "no such path", "code": 404}}')

    def _chat(self, request: Request, connection: Connection) -> None:
        if _EMPTY.search(request.body):  # some clients ask for nothing, to read the headers
            connection.send(400, b'{"error": {"message": "there are no messages", "code": 400}}')
            return
        digest = hashlib.sha256(request.body).hexdigest()[:16]
        self._latest.append(request)
        self.received.append(digest)
        self._write("received", digest)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        now = time.monotonic()
        self._began = self._began or now
        draw = random.Random(f"{self.seed} {digest} {self._seen[digest]}") if self._drawn else None
        self._seen[digest] += 1
        call = _Call(request, connection, digest, self._fault(draw, now - self._began))
        wait = self.latency + (draw.random() * self.jitter if draw else 0.0)
        if call.fault == "full" or wait == 0:
            self._respond(call)
        else:
            asyncio.get_running_loop().call_later(wait, self._respond, call)

    @property
    def _drawn(self) -> bool:
        """Whether chance decides anything."""
        return bool(self.jitter or any(self._rates.values()))

    def _fault(self, draw: random.Random | None, elapsed: float) -> str:
        full = self.limit and self.busy > self.limit
        storm = self.storm_s and 0 <= elapsed - self.storm_at < self.storm_s
        if self.faults:
            fault = self.faults.pop(0)
            return "full" if fault == "429" and full else fault
        if full or storm:
            return "full"
        chance = draw.random() if draw else 1.0
        for name, rate in self._rates.items():
            if chance < rate:
                return name
            chance -= rate
        return "ok"

    def _respond(self, call: _Call) -> None:
        connection, fault = call.connection, call.fault
        if fault == "hang":
            self.refused[fault] += 1
            connection.lost = self._leave
            return
        self._leave()
        if fault == "drop":  # what was answered gets lost on its way
            self.refused[fault] += 1
            connection.close()
        elif fault.startswith("redirect:"):
            self.refused["redirect"] += 1
            connection.send(307, b"", f"Location: {fault.partition(':')[2]}\r\n")
            return
        elif fault in NONSENSE:
            self.refused[fault] += 1
            connection.send(200, NONSENSE[fault].encode(errors="surrogateescape"))
            return
        elif fault in STATUS or fault == "full":
            self._refuse(connection, fault.replace("full", "429"))
            return
        self._answer(call)

    def _leave(self) -> None:
        self.busy -= 1

    def _refuse(self, connection: Connection, status: str) -> None:
        self.refused[status] += 1
        slow = self.retry_after if status in {"429", "503"} else ""
        error = {"message": f"refused with {status}", "code": int(status), **self.complaint}
        header = f"Retry-After: {slow}\r\n" if slow else ""
        connection.send(int(status), json.dumps({"error": error}).encode(), header)

    def _answer(self, call: _Call) -> None:
        if self._ready:
            body = self._ready[int(call.digest[:2], 16) % len(self._ready)]
        else:
            try:
                asked = json.loads(call.request.body)
                n = asked.get("n") or 1
                if self.alone and n > 1:
                    self._refuse(call.connection, "400")
                    return
                n = max(1, n - 1) if call.fault == "short" else n
                made = self._completion(asked, [self._choice(asked, i) for i in range(n)])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                why = {"message": f"no request for a completion: {error!r}", "code": 400}
                call.connection.send(400, json.dumps({"error": why}).encode())
                return
            body = json.dumps(made).encode()
        self.answered.append(call.digest)
        self._write("answered", call.digest)
        self._ended = time.monotonic()
        self._timeline[int((self._ended - self._began) / BIN_S)] += 1
        call.connection.send(200, body)

    def _completion(self, asked: dict[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
        tokens = sum(len(c["message"]["content"].split()) for c in choices)
        prompt = sum(len((m.get("content") or "").split()) for m in asked["messages"])
        prompt += len(json.dumps(asked["tools"]).split()) if asked.get("tools") else 0
        usage = self.charge or {
            "prompt_tokens": prompt,
            "completion_tokens": tokens,
            "total_tokens": prompt + tokens,
        }
        return {
            "id": "chatcmpl-test",
            "object": "chat.completion",
            "model": asked.get("model"),
            "choices": choices,
            **({"usage": usage} if self.usage else {}),
        }

    def _choice(
        self, asked: dict[str, Any], index: int, given: str | None = None
    ) -> dict[str, Any]:
        made: str | dict[str, Any]
        if given is not None:
            made = given
        elif self.reply:
            made = self.reply(asked, index)
        else:
            made = answer(asked["messages"], (asked.get("seed") or 0) + index)
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
