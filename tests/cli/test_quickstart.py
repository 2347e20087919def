"""The main job, whole, as a newcomer runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.builders import check_shards

from trueline.models.open import locate
from trueline.policy.values import preferred_responses
from trueline.records.store import dataset
from trueline.records.store.manifest import read_manifest

CATEGORIES = 19


@pytest.mark.slow
def test_quickstart(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trueline", "quickstart", "--out", str(tmp_path / "q")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    out = tmp_path / "q"
    for name in ("harmful", "harmless"):
        check_shards(out / name)
        found = read_manifest(out / name)
        assert found.state == "complete" and found.rows >= 40
        assert found.rows + found.rejected >= 190
        examples = list(dataset.read(out / name))
        assert len({e.tag("category") for e in examples}) >= CATEGORIES - 4
        assert all(preferred_responses(e) for e in examples)
        assert "preference pairs" in (out / name / "CARD.md").read_text()
    # the text is preferred in one set, and what the expert says in the other
    assert preferred_responses(next(dataset.read(out / "harmless")))[0].model is None  # type: ignore[index]
    assert preferred_responses(next(dataset.read(out / "harmful")))[1].model is None  # type: ignore[index]
    locate(str(out / "model"))
    log = [e for e in json.loads((out / "model" / "card.json").read_text())["log"] if "loss" in e]
    assert log[-1]["loss"] < 0.9 * log[0]["loss"]
    rows = [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]
    assert rows and all({"prompt", "chosen", "rejected"} <= row.keys() for row in rows)
    summary = (out / "summary.md").read_text()
    for name in ("labels-refusal", "labels-nano"):
        assert read_manifest(out / name).state == "complete"
    assert "nano and refusal: α" in summary
    assert "before" in summary and "after" in summary and "preferred" in summary
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, "run again, it shows what it made"


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_an_evaluation_ends_it(tmp_path: Path) -> None:
    """What was stopped is not taken for the whole: nothing is compared, and no step follows."""
    step = f"evaluated('nano', Path({str(tmp_path)!r}), 'before')"
    code = f"from pathlib import Path; from trueline.cli.quickstart import *; {step}; print('on')"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "before" / "claim.json").exists():
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.01)
    time.sleep(1)  # the stream has begun
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode != 0 and "on" not in stdout
    assert "trueline: interrupted: " in stderr and "KeyError" not in stderr
    assert read_manifest(tmp_path / "before").state != "complete"
