"""What a hit costs: 100,000 answers are stored once and then replayed, each time by a process of
its own: call after call, and as a resumed build does it, through a stage of the flow.

python benchmarks/ledger_hits.py [COUNT]
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from trueline.ledger.sqlite import open_ledger
from trueline.models.contract import Model
from trueline.models.ledgered import record
from trueline.models.scripted import Scripted
from trueline.policy.load import load
from trueline.records.types import Example, Message, Sampling
from trueline.runs.context import RunContext
from trueline.runs.engine import LocalEngine, Stop, source
from trueline.runs.stage import Stage

SAMPLING = Sampling(max_tokens=64, seed=1)


def asked(count: int) -> Iterator[tuple[Message]]:
    """Conversations of about 200 bytes, all different."""
    return ((Message("user", f"Question {i}: " + "what about the weather? " * 8),)
            for i in range(count))  # fmt: skip


async def store(model: Model, count: int) -> None:
    left = asked(count)
    while batch := [messages for _, messages in zip(range(256), left, strict=False)]:
        await asyncio.gather(*(model.generate(m, SAMPLING) for m in batch))


async def replay(model: Model, count: int) -> None:
    for messages in asked(count):
        await model.generate(messages, SAMPLING)


async def flow(model: Model, count: int) -> None:
    async def step(example: Example) -> Example:
        await model.generate(example.prompt, SAMPLING)
        return example

    examples = (Example.new(messages) for messages in asked(count))
    engine = LocalEngine(RunContext(load()))
    async for _ in engine.stream(source(examples, Stop()), [Stage.of("call", step)]):
        pass


KINDS = {"store": store, "replay": replay, "flow": flow}


async def measure(kind: str, path: Path, count: int) -> None:
    """Prints seconds, and microseconds of CPU a call, and checks that hits were hits."""
    async with await open_ledger(path, run=kind) as ledger:
        model = record(Scripted(lambda *_: "It is fine. " * 20), ledger)
        started, worked = time.perf_counter(), time.process_time()
        await KINDS[kind](model, count)
        took, cpu = time.perf_counter() - started, time.process_time() - worked
        assert ledger.account.used["calls"] == (count if kind == "store" else 0)
    print(
        f"{kind:7s} {count} calls {took:6.2f} s, {cpu / count * 1e6:6.1f} us of CPU a call", end=""
    )


def main(count: int) -> None:
    """Each kind in a process of its own; the last figure is that process, start to end."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("store", "replay", "replay", "flow", "flow"):
            command = [sys.executable, __file__, kind, f"{folder}/ledger.sqlite", str(count)]
            started = time.perf_counter()
            subprocess.run(command, check=True)
            print(f", whole process {time.perf_counter() - started:6.2f} s", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in KINDS:
        asyncio.run(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
