"""The same calls as a build makes them: a stage of a run, from Examples into a folder."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from common import asked, prompt, report
from ours import SAMPLING, model

from trueline.ledger.sqlite import open_ledger
from trueline.models.contract import response
from trueline.policy.load import load
from trueline.records.store import dataset
from trueline.records.types import Example, Message, with_responses
from trueline.runs.context import RunContext
from trueline.runs.spec import RunSpec
from trueline.runs.stage import Stage
from trueline.runs.write import write_run


async def main() -> None:
    """Writes the folder and reads it back, to count the rows that have an answer."""
    ask = asked()
    with tempfile.TemporaryDirectory() as place:
        ledger = await open_ledger(Path(place) / "ledger.sqlite", run="benchmark")
        asks = model(ask, ledger)

        async def answer(example: Example) -> Example:
            (drawn,) = await asks.generate(example.prompt, SAMPLING)
            return with_responses(example, response(asks, SAMPLING, drawn))

        done = await write_run(
            (Example.new([Message("user", prompt(i))]) for i in range(ask.calls)),
            [Stage.of("answer", answer, window=4 * ask.concurrency)],
            Path(place) / "out",
            RunSpec("benchmark", (), {}, {}),
            RunContext(load(), None, ledger),
            total=ask.calls,
            quiet=True,
        )
        await asks.close()
        answered = {e.id for e in dataset.read(Path(place) / "out") if e.responses[0].messages}
    report(len(answered), done.rejects)


if __name__ == "__main__":
    asyncio.run(main())
