"""The checkpoints of an unfinished run."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = "checkpoints"


def find_last(out: Path) -> Path | None:
    """The last whole checkpoint: the trainer writes its state last, and not in one piece."""
    states = (out / FOLDER).glob("checkpoint-*/trainer_state.json")
    whole = sorted((state.parent for state in states if _is_readable(state)), key=step_of)
    return whole[-1] if whole else None


def step_of(checkpoint: Path) -> int:
    """The step after which it was written."""
    return int(checkpoint.name.rpartition("-")[2])


def _is_readable(state: Path) -> bool:
    try:
        json.loads(state.read_bytes())
    except ValueError:
        return False
    return True
