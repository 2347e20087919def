"""Two checkouts on the same benchmarks, in turn: what a rebuilding has cost.

    python benchmarks/before_after.py BEFORE [AFTER] [--rounds N] [--only NAME …]

Each benchmark runs as it lies in its checkout, against that checkout's `src`, in a process of its
own; the two take turns and begin alternately, so that noise meets both alike.  The CPU seconds are
those of the process and of all that it waited for.  Read the ratios of the medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

COMMANDS = {
    "calls": ["calls.py", "--quick", "--no-peers", "--only", "steady", "items"],
    "ledger_hits": ["ledger_hits.py", "100000"],
    "million_rows": ["million_rows.py", "--rows", "100000"],
    "likelihood": ["likelihood.py", "--quick", "--no-peers", "--threads", "1"],
}
CPU, WALL = 1.05, 1.15
"""The ratios after / before that still count as no dearer."""


class Cost(NamedTuple):
    """What one run took, in seconds."""

    cpu: float
    wall: float


def measure(checkout: Path, command: list[str]) -> Cost:
    """Run a benchmark of a checkout.  Raises SystemExit with its output if it fails."""
    script, *rest = command
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(checkout / "benchmarks" / script), *rest],
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{checkout}: {' '.join(command)} failed:\n{output.decode()[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def main() -> None:
    """Print a Markdown table of medians and ratios; exit with 1 if a ratio is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=Path(__file__).parents[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    options = parser.parse_args()
    sides = {"before": options.before.resolve(), "after": options.after.resolve()}
    print("| benchmark | CPU s before | after | ratio | wall s before | after | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    dearer = []
    for name in options.only:
        costs: dict[str, list[Cost]] = {side: [] for side in sides}
        for number in range(options.rounds):
            for side in sorted(sides, reverse=bool(number % 2)):
                costs[side].append(measure(sides[side], COMMANDS[name]))
        cells = []
        for part, limit in (("cpu", CPU), ("wall", WALL)):
            before, after = (
                statistics.median(getattr(cost, part) for cost in costs[side]) for side in sides
            )
            cells.append(f"{before:.2f} | {after:.2f} | {after / before:.3f}")
            if after / before > limit:
                dearer.append(f"{name}: {part} {after / before:.3f} > {limit}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    if dearer:
        sys.exit("\n".join(dearer))


if __name__ == "__main__":
    main()
