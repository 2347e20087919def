"""Loss, metrics and time left on stderr; the memory that the steps took.

Imports transformers: import it inside functions only.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trueline.files.errors import InputError
from trueline.train.failures import DIVERGED
from trueline.train.memory import measure_peak


class Progress(TrainerCallback):  # type: ignore[misc]
    """`metrics` are shown beside the loss: our name, and the trainer's in its log; with `quiet`
    nothing is."""

    def __init__(self, metrics: Mapping[str, str], quiet: bool) -> None:
        self.peak = 0
        self._metrics, self._quiet = metrics, quiet
        self._began, self._from = 0.0, 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._began, self._from = time.monotonic(), state.global_step

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.peak = max(self.peak, measure_peak())

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        watched = [logs.get(name) for name in ("loss", "grad_norm")]
        if any(value is not None and not math.isfinite(value) for value in watched):
            raise InputError(f"step {state.global_step}: {DIVERGED}")
        done = state.global_step - self._from
        if self._quiet or not state.is_world_process_zero or "loss" not in logs or not done:
            return
        each = (time.monotonic() - self._began) / done
        left = each * (state.max_steps - state.global_step)
        metrics = "".join(
            f" · {name} {logs[key]:.3f}" for name, key in self._metrics.items() if key in logs
        )
        print(
            f"step {state.global_step}/{state.max_steps} · loss {logs['loss']:.4f}{metrics} · "
            f"{each:.2f} s a step · {left:.0f} s left",
            file=sys.stderr,
        )
