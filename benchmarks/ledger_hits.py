"""What a hit costs: 100,000 answers are stored once and then replayed.

python benchmarks/ledger_hits.py [COUNT]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from trueline.ledger.ledger import open_ledger
from trueline.models.ledgered import record
from trueline.models.scripted import Scripted
from trueline.records.types import Message, Sampling

SAMPLING = Sampling(max_tokens=64, seed=1)


async def main(count: int) -> None:
    """Prints seconds, and microseconds of CPU a call, for storing and for replaying."""
    asked = [(Message("user", f"Question {i}: " + "what about the weather? " * 8),) for i in
             range(count)]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        for name in ("store", "replay", "replay again"):
            async with await open_ledger(path, run="benchmark") as ledger:
                model = record(Scripted(lambda *_: "It is fine. " * 20), ledger)
                started, worked = time.perf_counter(), time.process_time()
                for start in range(0, count, 256):
                    batch = asked[start : start + 256]
                    if name == "store":
                        await asyncio.gather(*(model.generate(m, SAMPLING) for m in batch))
                    else:
                        for messages in batch:
                            await model.generate(messages, SAMPLING)
                took, cpu = time.perf_counter() - started, time.process_time() - worked
            each = cpu / count * 1e6
            print(f"{name:13s} {count} calls {took:6.2f} s, {each:6.1f} us of CPU a call")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
