"""The same questions as items of a benchmark: `trueline evaluate`, whole, with one cheap check."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from common import MODEL, TOKENS, asked, prompt, report

from trueline.evaluate.options import Options
from trueline.evaluate.run import evaluate
from trueline.records.store import dataset

BENCHMARK = f"""
name = "items"
about = "Single-turn items"
group = "capability"
license = "Apache-2.0"
citation = "trueline's own"

[file]
path = "items.jsonl"

[item]
prompt = "ask"
answers = "['rain']"

[ask]
max_tokens = {TOKENS}

[[metric]]
question = "correct"
by = "exact"
"""


def main() -> None:
    """Writes the results and reads them back, to count the items that have an answer."""
    ask = asked()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        lines = (json.dumps({"ask": prompt(i)}) + "\n" for i in range(ask.calls))
        Path("items.jsonl").write_text("".join(lines))
        Path("items.toml").write_text(BENCHMARK)
        found = evaluate(
            Options(
                model=f"{ask.url}#{MODEL}",
                benchmark=("items.toml",),
                data=Path(),
                out=Path("out"),
                concurrency=ask.concurrency,
                timeout=float(ask.timeout),
                quiet=True,
            )
        )
        assert found is not None
        answered = {e.id for e in dataset.read(Path("out")) if e.responses[0].text}
    report(len(answered), ask.calls - len(answered))


if __name__ == "__main__":
    main()
