"""Records what every instrument says to its golden inputs: `python -m tests.golden.record`.

To add a case, write its `input` into the instrument's file and run this.  Where an output has
changed and the instrument's version has not, nothing is written and the differences are shown.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from pathlib import Path
from typing import Any

from tests.golden.instruments import DIGITS, INSTRUMENTS, Instrument, Json, rounded

FOLDER = Path(__file__).parent
COMMAND = "python -m tests.golden.record"


def read_golden(name: str) -> Json:
    found: Json = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def write_golden(name: str, instrument: Instrument, cases: list[Json]) -> None:
    """One line a case, so that a difference shows which."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    text = f'{{"version": {json.dumps(instrument.version)}, "cases": [\n{lines}\n]}}\n'
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def equal(one: Any, other: Any) -> bool:
    """Alike, with numbers that differ by rounding only."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=2 * 10**-DIGITS)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)


async def run_cases(instrument: Instrument, golden: Json) -> list[Json]:
    """The cases with what the instrument says to them now."""
    return [
        {"input": case["input"], "output": rounded(await instrument.answer(case["input"]))}
        for case in golden["cases"]
    ]


def find_changes(golden: Json, cases: list[Json]) -> list[str]:
    """Each recorded output that is no longer given."""
    return [
        f"case {number}: {_format(case['input'])}\n"
        f"    recorded {_format(before['output'])}\n    now      {_format(case['output'])}"
        for number, (before, case) in enumerate(zip(golden["cases"], cases, strict=True), 1)
        if "output" in before and not equal(before["output"], case["output"])
    ]


def _format(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 1000 else text[:1000] + "…"


def main() -> int:
    status = 0
    for name, instrument in INSTRUMENTS.items():
        golden = read_golden(name)
        cases = asyncio.run(run_cases(instrument, golden))
        changes = find_changes(golden, cases)
        if changes and golden["version"] == instrument.version:
            print(f"{name}: output changed: raise its VERSION, then record", *changes, sep="\n  ")
            status = 1
            continue
        write_golden(name, instrument, cases)
    return status


if __name__ == "__main__":
    sys.exit(main())
