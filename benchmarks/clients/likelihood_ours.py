"""Ours: every item one call of `loglikelihood`, all at once; `--whole`: no row shares its prompt.

Reads a set's name a line, scores it, and prints one JSON line: seconds of wall clock and of
processor, and the scores.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from trueline.models.local import engine, loglikelihoods
from trueline.models.local.work import Work
from trueline.models.open import open_model
from trueline.records.types import Message


def read_whole() -> None:
    """From here on each row reads its own prompt, in batches by length alone."""
    loglikelihoods._Reading.shares = lambda self, width: False  # type: ignore[method-assign]
    engine.families = lambda works: [list(works)]
    Work.order = Work.length  # type: ignore[assignment]


async def scored(work: dict[str, Any], rows: int) -> dict[str, Any]:
    """From the texts to their likelihoods; the weights are loaded before."""
    model = open_model(work["model"], concurrency=rows)
    await model.loglikelihood([Message("user", "warm")], [" up", " a little"])
    started, used = time.perf_counter(), time.process_time()
    found = await asyncio.gather(
        *(model.loglikelihood([Message("user", asked)], texts) for asked, texts in work["items"])
    )
    took, used = time.perf_counter() - started, time.process_time() - used
    await model.close()
    return {"seconds": took, "cpu_s": used, "scores": found}


def main() -> None:
    sets = json.loads(Path(sys.argv[1]).read_text())
    if "--whole" in sys.argv:
        read_whole()
    for line in sys.stdin:
        found = asyncio.run(scored(sets["sets"][line.strip()], sets["rows"]))
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
