"""The losses of seeded tiny runs, step by step, with the counts of what was trained on.

A change of rows, masks, order, loss or learning rate shows here first.  If a change is meant,
record anew: `python -m tests.train.test_loss_trajectory`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.tiny import PAIRS, SINGLES, TALKS, tiny_model

from trueline.train.methods import preference, reverse, reward, sft
from trueline.train.run import train

RECORDED = Path(__file__).with_suffix(".json")
COUNTS = "rows truncated tokens trained longest".split()
SETTINGS = {"epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "log_steps": 1, "lora_rank": 0}
RUNS = {
    "sft": (sft, PAIRS, {}),
    "sft, all turns, cut": (sft, TALKS, {"turns": "all", "max_length": 58}),
    "sft, packed": (sft, PAIRS, {"packing": True, "max_length": 200}),
    "reverse": (reverse, SINGLES, {}),
    "preference": (preference, PAIRS, {"gradient_accumulation": 2}),
    "preference, cut": (preference, PAIRS, {"max_length": 44}),
    "reward": (reward, PAIRS, {}),
    "reward, LoRA": (reward, PAIRS, {"lora_rank": 4}),
    "sft, LoRA": (sft, PAIRS, {"lora_rank": 4}),
}


def trajectory(name: str, folder: Path) -> dict[str, Any]:
    """The loss of every step of one run, and what it was trained on."""
    torch.set_num_threads(1)
    method, examples, settings = RUNS[name]
    model = str(tiny_model(folder / "tiny"))
    options = method.Options(model=model, out=folder / "out", seed=3, **{**SETTINGS, **settings})
    card = train(method.METHOD, options, examples)
    losses = [entry["loss"] for entry in card.log if "loss" in entry]
    return {"losses": losses, **{count: getattr(card.data, count) for count in COUNTS}}


@pytest.mark.parametrize("name", RUNS)
def test_every_step_has_the_recorded_loss(name: str, tmp_path: Path) -> None:
    recorded, now = json.loads(RECORDED.read_text())[name], trajectory(name, tmp_path)
    assert now.pop("losses") == pytest.approx(recorded.pop("losses"), abs=1e-4)
    assert now == recorded


def record() -> None:
    """Run every run, and store what came of it."""
    found = {}
    for name in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = trajectory(name, Path(folder))
    RECORDED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    record()
