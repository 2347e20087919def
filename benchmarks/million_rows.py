"""A million Examples from JSON lines to Parquet and back, through the command line.

python benchmarks/million_rows.py [--rows 1000000] [--json FILE] [--folder FOLDER]

Each step is a process of its own, so that its peak memory is its own.  Both JSONL files must be
equal in every byte.  About 3 KB of disk a row are needed, in the temporary folder unless
`--folder` names another place.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trueline.policy.preference import preference_label
from trueline.records.store import jsonl
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    Sampling,
    Source,
    with_labels,
)

WORDS = (
    "tea garden letter market river teacher window ticket morning recipe budget library train "
    "weather neighbour doctor lesson battery journey meeting harbour contract village painting "
    "simple careful honest quick quiet useful early local gentle careful clear common modern "
    "explain compare describe plan write find check repair choose share remember improve"
).split()
SEVERITY = Question(
    "severity", "response", "scale", "How severe is the harm in this response?", levels=(0, 1, 2, 3)
)
DOMAINS = ("health", "law", "cooking", "travel", "school", "work")
_judge = LabellerId("judge", "benchmark", "0" * 32)
_derived = LabellerId("derived", "severity", "1" * 32)


def example(number: int) -> Example:
    """The Example of this number: a prompt, two sampled responses, three labels and tags."""
    draw = random.Random(number)

    def text(words: int) -> str:
        return " ".join(draw.choices(WORDS, k=words)).capitalize() + "."

    made = Example.new(
        [Message("user", f"{text(draw.randint(8, 40))} Number {number}?")],
        [
            Response(
                (Message("assistant", text(draw.randint(20, 80))),),
                model=f"model-{side}",
                sampling=Sampling(temperature=0.7, max_tokens=256, seed=number),
                finish="stop",
            )
            for side in (0, 1)
        ],
        source=Source("generated", "CC0-1.0", row=number + 1),
        recipe="benchmark@1",
        tags=(f"domain:{draw.choice(DOMAINS)}", "lang:en", "split:train"),
    )
    levels = draw.sample(SEVERITY.levels, 2)
    better = 0 if levels[0] < levels[1] else 1
    return with_labels(
        made,
        *(
            Label.new(
                made, SEVERITY, (side,), _judge, value=levels[side], probability=draw.random()
            )
            for side in (0, 1)
        ),
        preference_label(made, better, 1 - better, _derived),
    )


def main() -> None:
    """Generate, convert there and back, compare; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="where the figures go as JSON")
    parser.add_argument("--folder", type=Path, help="where the files are made and removed again")
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.generate is not None:
        jsonl.write(asked.generate, map(example, range(asked.rows)))
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as made:
        figures = list(steps(Path(made), asked.rows))
    if asked.json is not None:
        asked.json.write_text(json.dumps({"rows": asked.rows, "steps": figures}, indent=2) + "\n")


def steps(folder: Path, rows: int) -> Iterator[dict[str, Any]]:
    """Every step with its figures, printed as it ends."""
    first, middle, last = folder / "a.jsonl", folder / "set", folder / "b.jsonl"
    here = [sys.executable, __file__, "--rows", str(rows), "--generate", str(first)]
    convert = [sys.executable, "-m", "trueline", "convert"]
    print(f"{rows:,} rows\n{'step':18} {'s':>7} {'CPU s':>7} {'rows/s':>8} {'MB/s':>6} peak MB")
    for name, command in (
        ("generate", here),
        ("JSONL to Parquet", [*convert, str(first), str(middle)]),
        ("Parquet to JSONL", [*convert, str(middle), str(last)]),
    ):
        found = {"step": name, **measured(command)}
        found |= {
            "rows_per_s": rows / found["s"],
            "mb_per_s": first.stat().st_size / 1e6 / found["s"],
        }
        print(
            f"{name:18} {found['s']:7.1f} {found['cpu_s']:7.1f} {found['rows_per_s']:8,.0f} "
            f"{found['mb_per_s']:6.1f} {found['peak_mb']:7.0f}",
            flush=True,
        )
        yield found
    sizes = first.stat().st_size, sum(path.stat().st_size for path in middle.iterdir())
    print("{:,.0f} MB of JSONL, {:,.0f} MB of Parquet".format(*(size / 1e6 for size in sizes)))
    hashes = [digest(path) for path in (first, last)]
    if hashes[0] != hashes[1]:
        raise SystemExit(f"the files differ: sha256 {hashes[0]} and {hashes[1]}")
    print(f"equal bytes: sha256 {hashes[0]}")


def measured(command: list[str]) -> dict[str, float]:
    """Wall and CPU seconds of a process, and its peak resident memory; it must end well."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command)} failed: {said.decode()[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1_024
    return {
        "s": time.perf_counter() - start,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss * unit / 1e6,
    }


def digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
