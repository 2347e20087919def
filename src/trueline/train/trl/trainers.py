"""What every TRL trainer is given here: our rows, a seeded order, a quiet console, a plain head.

Imports torch and TRL: import it inside functions only.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl import DPOTrainer, SFTTrainer

from trueline.files.errors import InputError
from trueline.train.memory import peak
from trueline.train.run import DIVERGED
from trueline.train.trl.cpu_head import plain_head


class Order(Sampler[int]):
    """Rows of like length together, the batch with the longest row first, the rest shuffled.

    So memory runs out at step 1 or never.  The order depends on the seed and the epoch alone,
    which makes a resumed run see the same batches, and every process the same order.
    """

    def __init__(self, lengths: Sequence[int], rows: int, seed: int) -> None:
        self._lengths, self._rows, self._seed, self._epoch = list(lengths), rows, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(1_000_003 * self._seed + self._epoch)
        order = get_length_grouped_indices(self._lengths, self._rows, generator=generator)
        steps = [order[i : i + self._rows] for i in range(0, len(order), self._rows)]
        # a last step that is short stays last: elsewhere it would shift those behind it
        middle, last = (
            (steps[1:], []) if len(steps[-1]) == self._rows else (steps[1:-1], steps[1:][-1:])
        )
        shuffled = [middle[i] for i in torch.randperm(len(middle), generator=generator).tolist()]
        return iter(i for step in [steps[0], *shuffled, *last] for i in step)


class _Ours:
    """Before a TRL trainer in the order of classes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.progress = Progress()
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]
        self.remove_callback(ProgressCallback)  # type: ignore[attr-defined]
        self.add_callback(self.progress)  # type: ignore[attr-defined]

    def _send_telemetry(self) -> None:
        """Nobody is told."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """The run's card is ours."""

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[misc]
        if "length" not in self._signature_columns:  # type: ignore[has-type]
            self._signature_columns = [*self._signature_columns, "length"]  # type: ignore[has-type]

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        data = self.train_dataset if train_dataset is None else train_dataset  # type: ignore[attr-defined]
        args = self.args  # type: ignore[attr-defined]
        packed = "seq_lengths" in data.column_names
        lengths = [len(ids) for ids in data["input_ids"]] if packed else data["length"]
        rows = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        return Order(lengths, rows, args.seed)


class Completions(_Ours, SFTTrainer):  # type: ignore[misc]
    """SFT on rows of `input_ids`, `labels` and `length`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain_head(_inner(self.model))


class Pairs(_Ours, DPOTrainer):  # type: ignore[misc]
    """DPO on rows of `prompt_ids`, `chosen_ids`, `rejected_ids` and `length`."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """The rows are tokens already."""
        return dataset

    def _precompute_ref_logps(self, *args: Any, **kwargs: Any) -> Any:
        # TRL asks for this at the end of its constructor: the head must be in place by then
        plain_head(_inner(self.model))
        if self.is_world_process_zero():
            print("reference: log-probabilities of the model as it is", file=sys.stderr)
        return super()._precompute_ref_logps(*args, **kwargs)


def _inner(model: Any) -> Any:
    """The model that TRL gave its head: the one under a LoRA."""
    from accelerate.utils import is_peft_model

    return model.get_base_model() if is_peft_model(model) else model


class Progress(TrainerCallback):  # type: ignore[misc]
    """Loss, rate and time left on stderr; the memory that the first step took."""

    def __init__(self) -> None:
        self.peak = 0
        self._began, self._from = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began, self._from = time.monotonic(), state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.peak = max(self.peak, peak())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        done = state.global_step - self._from
        watched = [(logs or {}).get(name) for name in ("loss", "grad_norm")]
        if any(value is not None and not math.isfinite(value) for value in watched):
            raise InputError(f"step {state.global_step}: {DIVERGED}")
        if not state.is_world_process_zero or not logs or "loss" not in logs or not done:
            return
        each = (time.monotonic() - self._began) / done
        left = each * (state.max_steps - state.global_step)
        margin = f" · margin {logs['rewards/margins']:.3f}" if "rewards/margins" in logs else ""
        print(
            f"step {state.global_step}/{state.max_steps} · loss {logs['loss']:.4f}{margin} · "
            f"{each:.2f} s a step · {left:.0f} s left",
            file=sys.stderr,
        )
