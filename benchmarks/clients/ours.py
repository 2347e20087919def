"""The endpoint with its ledger: every call by `generate`, recorded, single-flight, counted."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from common import MODEL, TEMPERATURE, TOKENS, Asked, asked, prompt, report

from trueline.ledger.sqlite import Ledger, open_ledger
from trueline.models.contract import Model, ModelError
from trueline.models.endpoint.endpoint import Endpoint
from trueline.models.ledgered import Ledgered
from trueline.records.types import Message, Sampling

SAMPLING = Sampling(temperature=TEMPERATURE, max_tokens=TOKENS, seed=1)


def model(ask: Asked, ledger: Ledger) -> Model:
    """What `open_model` makes of the name, with the tries and the time that are asked for."""
    endpoint = Endpoint(
        ask.url,
        MODEL,
        ledger=ledger,
        concurrency=ask.concurrency,
        retries=ask.retries,
        total_s=ask.timeout,
    )
    return Ledgered(endpoint, ledger)


async def main() -> None:
    """Four times as many callers as calls may be under way: the endpoint says who may go."""
    ask = asked()
    numbers = iter(range(ask.calls))
    counts = {True: 0, False: 0}
    with tempfile.TemporaryDirectory() as folder:
        async with await open_ledger(Path(folder) / "ledger.sqlite", run="benchmark") as ledger:
            asks = model(ask, ledger)

            async def caller() -> None:
                for number in numbers:
                    try:
                        (drawn,) = await asks.generate([Message("user", prompt(number))], SAMPLING)
                        counts[drawn.text != ""] += 1
                    except ModelError:
                        counts[False] += 1

            await asyncio.gather(*(caller() for _ in range(4 * ask.concurrency)))
            await asks.close()
    report(counts[True], counts[False])


if __name__ == "__main__":
    asyncio.run(main())
