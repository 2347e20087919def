"""An evaluation that is killed and run again pays for nothing twice and ends the same."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from trueline.evaluate import results
from trueline.evaluate.compare.compare import compare
from trueline.records.store import dataset
from trueline.records.store.manifest import read_manifest

BENCHMARKS = ("small-harmful", "small-lookalike", "small-fit")
ITEMS = 40


def started(out: Path) -> subprocess.Popen[str]:
    options = [
        *(word for name in BENCHMARKS for word in ("--benchmark", name)),
        "--limit",
        str(ITEMS),
        "--concurrency",
        "8",
    ]
    places = ["--out", str(out), "--ledger", f"{out}.sqlite", "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-m", "trueline", "evaluate", "nano", *options, *places],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def committed(out: Path) -> int:
    """Answers that stand in the ledger."""
    try:
        with closing(sqlite3.connect(f"file:{out}.sqlite?mode=ro", uri=True)) as opened:
            return int(opened.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.OperationalError:  # it, or its tables, are not there yet
        return 0


@pytest.mark.slow
def test_the_bundled_model_killed_in_the_middle(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    ended(started(whole))
    calls = committed(whole)
    assert calls == 3 * ITEMS

    process = started(out)
    while committed(out) < calls / 3:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = committed(out)
    assert calls / 3 <= kept < calls and read_manifest(out).state == "partial"

    ended(started(out))
    assert results.read(out).spend[0].calls == calls, "of both runs together"
    assert committed(out) == calls
    with closing(sqlite3.connect(f"{out}.sqlite")) as opened:
        [sent] = opened.execute("SELECT count(*) FROM attempts WHERE outcome = 'answered'")
    assert sent[0] == calls, "no answer that was committed was asked for again"
    # Not the bytes: a likelihood's last bits depend on the batch that it was computed in.
    for one, other in zip(dataset.read(out), dataset.read(whole), strict=True):
        assert (one.id, one.responses, one.labels) == (other.id, other.responses, other.labels)
    assert results.read(out).metrics == results.read(whole).metrics

    found = compare(whole, out)
    assert found.improved == found.impaired == 0 and not found.not_compared
