"""A loop over aiohttp as one writes it by hand: workers over a queue, and our rule of retries.

It keeps answers in memory, records nothing, and a worker that waits to try again stays with its
call.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
from common import Asked, asked, body, report

from trueline.models.endpoint import backoff
from trueline.models.endpoint.endpoint import PATIENCE_S

RETRIED = {408, 409, 425, 429}  # and 500 to 599


async def one(session: aiohttp.ClientSession, ask: Asked, asks: dict[str, Any]) -> str | None:
    """The answer, or None where all tries failed."""
    tries, started = 0, time.monotonic()
    while True:
        tries += 1
        status, after = 0, None
        try:
            async with session.post(f"{ask.url}/chat/completions", json=asks) as got:
                status, after = got.status, backoff.retry_after(got.headers.get("Retry-After"))
                said = json.loads(await got.read())
            if status == 200:
                text: str = said["choices"][0]["message"]["content"]
                return text
        except (aiohttp.ClientError, TimeoutError):
            pass
        if 400 <= status < 500 and status not in RETRIED:
            return None
        wait = backoff.delay(tries, after)
        late = time.monotonic() - started + wait > PATIENCE_S
        if late or (status != 429 and tries > ask.retries):
            return None
        await asyncio.sleep(wait)


async def main() -> None:
    """As many workers as calls may be under way."""
    ask = asked()
    queue: asyncio.Queue[int] = asyncio.Queue()
    for number in range(ask.calls):
        queue.put_nowait(number)
    answers: dict[int, str | None] = {}

    async def worker() -> None:
        while not queue.empty():
            number = queue.get_nowait()
            answers[number] = await one(session, ask, body(number))

    connector = aiohttp.TCPConnector(limit=ask.concurrency)
    timeout = aiohttp.ClientTimeout(total=ask.timeout)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        await asyncio.gather(*(worker() for _ in range(ask.concurrency)))
    answered = sum(text is not None for text in answers.values())
    report(answered, ask.calls - answered)


if __name__ == "__main__":
    asyncio.run(main())
