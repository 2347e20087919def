"""What every TRL trainer is given here: our rows, a seeded order, a quiet console, a plain head.

Imports torch and TRL: import it inside functions only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import PreTrainedModel, Trainer
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_pt_utils import get_length_grouped_indices

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
        # a last step that is short stays last: elsewhere it would shift those after it
        middle, last = (
            (steps[1:], []) if len(steps[-1]) == self._rows else (steps[1:-1], steps[1:][-1:])
        )
        shuffled = [middle[i] for i in torch.randperm(len(middle), generator=generator).tolist()]
        return iter(i for step in [steps[0], *shuffled, *last] for i in step)


class OnOurRows:
    """Before a TRL trainer in the bases of a class: its rows are tokens, and have a `length`.

    `quiet` keeps what it does off the screen.
    """

    _has_plain_head = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._quiet = bool(kwargs.pop("quiet", False))
        super().__init__(*args, **kwargs)
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]
        self.remove_callback(ProgressCallback)  # type: ignore[attr-defined]
        self._install_head()

    def row_lengths(self) -> list[int]:
        """Tokens of each row as it is batched, packed or not."""
        data = self.train_dataset  # type: ignore[attr-defined]
        packed = "seq_lengths" in data.column_names
        return [len(ids) for ids in data["input_ids"]] if packed else list(data["length"])

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """The run's card is ours."""

    def _send_telemetry(self) -> None:
        """Nobody is told."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        """The rows as they are; TRL may only pack those of one text, which it knows by their
        `input_ids` to be tokens already."""
        if "input_ids" not in dataset.column_names:
            return dataset
        return super()._prepare_dataset(dataset, *args, **kwargs)  # type: ignore[misc]

    def _precompute_ref_logps(self, *args: Any, **kwargs: Any) -> Dataset:
        # TRL asks for this at the end of its constructor: the head must be in place by then
        self._install_head()
        if self.is_world_process_zero() and not self._quiet:  # type: ignore[attr-defined]
            print("reference: log-probabilities of the model as it is", file=sys.stderr)
        return super()._precompute_ref_logps(*args, **kwargs)  # type: ignore[misc]

    def _install_head(self) -> None:
        if not self._has_plain_head:
            self._has_plain_head = plain_head(_unwrap(self.model))  # type: ignore[attr-defined]

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[misc]
        if "length" not in self._signature_columns:  # type: ignore[has-type]
            self._signature_columns = [*self._signature_columns, "length"]  # type: ignore[has-type]

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Order:
        args = self.args  # type: ignore[attr-defined]
        rows = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        return Order(self.row_lengths(), rows, args.seed)


def on_our_rows(trainer: type[Trainer]) -> type[Trainer]:
    """The TRL trainer as a class that trains on our rows."""
    return type(trainer.__name__, (OnOurRows, trainer), {})


def _unwrap(model: PreTrainedModel) -> PreTrainedModel:
    """The model that TRL gave its head: the one under a LoRA."""
    from accelerate.utils import is_peft_model

    return model.get_base_model() if is_peft_model(model) else model
