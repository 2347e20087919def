"""HumanEval through the grader of Code tasks: its own solutions pass, broken ones do not."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from trueline.labellers.grader import Grader
from trueline.labellers.guarded import Guarded
from trueline.policy.load import load
from trueline.records.types import Code, Example, Label, Message, Response
from trueline.sandbox.pool import Limits, Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines")

PASSED = load()["tests_passed"]
LIMITS = Limits(wall=20.0, cpu=10, memory=512 << 20)  # on a busy machine


def item(row: dict[str, Any], *completions: str) -> Example:
    responses = [Response((Message("assistant", text),)) for text in completions]
    task = Code(row["test"], row["entry_point"])
    return Example.new([Message("user", row["prompt"])], responses, task=task)


async def labels(examples: list[Example]) -> list[list[Label]]:
    async with Sandbox(limits=LIMITS, workers=2) as sandbox:
        grader = Guarded(Grader(sandbox, PASSED))
        return await asyncio.gather(*(grader.label(each, [PASSED]) for each in examples))


async def test_all_canonical_solutions_pass_and_an_empty_body_fails(shared_data: Path) -> None:
    """As a completion, and as a whole program in a fence, the two ways in which models answer."""
    with gzip.open(shared_data / "capability" / "HumanEval.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    assert len(rows) == 164
    items = [
        item(
            row,
            row["canonical_solution"],
            f"Here it is:\n```python\n{row['prompt']}{row['canonical_solution']}```\nDone.",
            "    return None\n",
        )
        for row in rows
    ]
    found = {
        row["task_id"]: [x.value for x in each]
        for row, each in zip(rows, await labels(items), strict=True)
    }
    assert {name: said for name, said in found.items() if said[:2] != [True, True]} == {}
    assert {name: said for name, said in found.items() if said[2] is not False} == {}
