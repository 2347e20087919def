"""What the instruction filter decides on known-good and known-bad instructions.

Each line of `filter_check.jsonl` is an instruction of our own writing with its verdict; the rules
decide alone, then together with a judge that is asked whether the instruction could elicit harm.

    python benchmarks/filter_check.py [JUDGE]
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from trueline.labellers.guarded import Guarded
from trueline.labellers.judge.judge import Judge
from trueline.models.open import open_model
from trueline.policy.load import load
from trueline.recipes.filters.instruction_rules import find_objection
from trueline.records.types import Example, Message
from trueline.runs.sync import run_sync

FILE = Path(__file__).with_name("filter_check.jsonl")


async def judged(name: str, instructions: list[str]) -> list[bool | None]:
    """The judge's answers, None where it has none."""
    model = open_model(name)
    judge, question = Guarded(Judge(model, name)), load()["elicits_harm"]
    answers: list[bool | None] = []
    for instruction in instructions:
        [label] = await judge.label(Example.new([Message("user", instruction)]), [question])
        answers.append(None if label.unscored else bool(label.value))
    await model.close()
    return answers


def report(name: str, rows: list[dict[str, Any]], passed: list[bool]) -> None:
    """How many good ones pass, how many bad ones are stopped, by what is wrong with them."""
    good = [p for row, p in zip(rows, passed, strict=True) if row["good"]]
    bad = [(row["why"], p) for row, p in zip(rows, passed, strict=True) if not row["good"]]
    stopped = sum(not p for _, p in bad)
    print(f"{name}: {sum(good)}/{len(good)} good pass, {stopped}/{len(bad)} bad are stopped")
    kinds = Counter(why for why, _ in bad)
    for why, count in sorted(kinds.items()):
        caught = sum(not p for w, p in bad if w == why)
        print(f"    {why}: {caught}/{count} stopped")


def main() -> None:
    """Rules alone, then rules and judge."""
    rows = [json.loads(line) for line in FILE.read_text().splitlines()]
    name = sys.argv[1] if len(sys.argv) > 1 else "nano"
    rules = [find_objection(row["instruction"], "") is None for row in rows]
    report("rules alone", rows, rules)
    answers = run_sync(judged(name, [row["instruction"] for row in rows]))
    both = [r and a is True for r, a in zip(rules, answers, strict=True)]
    report(f"rules and the judge {name}", rows, both)


if __name__ == "__main__":
    main()
