"""The contract of a training method, and what its trainer is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from trueline.records.types import Example
from trueline.train.data.encoder import Encoder
from trueline.train.data.rows import TrainingRow
from trueline.train.options import TrainOptions

if TYPE_CHECKING:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import (
        PreTrainedModel,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
    )

O = TypeVar("O", bound=TrainOptions)  # noqa: E741
O_co = TypeVar("O_co", bound=TrainOptions, covariant=True)

ModelKind = Literal["causal", "classifier"]
Columns = Mapping[str, list[int] | float]


@dataclass(frozen=True)
class TrainingContext(Generic[O_co]):
    """What a method builds its trainer from.

    `arguments` are those that every TRL configuration takes (output, batches, learning rate,
    schedule, seed, checkpoints, log); `lora` is None if every weight is trained.
    """

    options: O_co
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    lora: LoraConfig | None
    arguments: dict[str, object]
    rows: list[TrainingRow]
    folder: Path

    def make_trainer(
        self,
        trainer: type[Trainer],
        config: TrainingArguments,
        columns: Callable[[TrainingRow], Columns],
    ) -> Trainer:
        """The TRL trainer of this class for our rows, the longest batch first; `columns` gives a
        row what its collator reads."""
        from trueline.train.trl.trainers import on_our_rows

        return on_our_rows(trainer)(
            model=self.model,
            args=config,
            train_dataset=self._dataset(config, columns),
            processing_class=self.tokenizer,
            peft_config=self.lora,
            quiet=self.options.quiet,
        )

    def _dataset(
        self, config: TrainingArguments, columns: Callable[[TrainingRow], Columns]
    ) -> Dataset:
        """The rows on disk, the longest first: one copy for all processes.  What TRL computes of
        them (the reference) is kept beside them, so a resumed run has it already."""
        from datasets import Dataset, load_from_disk

        with config.main_process_first(local=False, desc="writing the rows"):
            if not self.folder.exists():
                rows = sorted(self.rows, key=lambda row: -row.length)
                part = self.folder.with_suffix(".part")
                Dataset.from_list([{**columns(r), "length": r.length} for r in rows]).save_to_disk(
                    part
                )
                part.rename(self.folder)
        return load_from_disk(self.folder)


@dataclass(frozen=True)
class Method(Generic[O]):
    """A way to train: the rows that an Example gives, and the TRL trainer that learns them.

    `Options` adds to TrainOptions; `rates` are the learning rates with a LoRA and without.
    `rows` gives an Example's TrainingRow, or the reason why it has none; lengths, masks and
    counts, memory, resuming, saving and the card are the same for every method.  `model` is what
    is trained: a causal language model, or a sequence classifier whose outputs are `labels`.
    `template` makes the chat template that the method installs.  `metrics` are the figures of
    progress, card and README: our name, and the trainer's in its log.  `version` is raised if rows
    or loss change, so that no unfinished run goes on with another.

    A sibling, in a file `parrot.py` (`trueline --plugin parrot.py train parrot DATA --out FOLDER`):

        '''Learn to repeat the request.'''
        from dataclasses import dataclass
        from trueline.records.types import Message
        from trueline.train.data.rows import TrainingRow
        from trueline.train.method import Method
        from trueline.train.methods.sft import train_completions
        from trueline.train.options import TrainOptions

        @dataclass(frozen=True, kw_only=True)
        class Options(TrainOptions):
            '''Options of `trueline train parrot`.'''

        def rows(example, encoder, options):
            if not example.prompt:
                return "no prompt"
            answer = (Message("assistant", example.prompt[-1].content),)
            return TrainingRow((encoder.encode_completion(example.prompt, answer),))

        METHOD = Method("parrot", Options, rows, train_completions, rates=(2e-4, 2e-5))

    With a loss of its own (`reward.py` is the sibling), `trainer` hands a subclass of TRL's trainer
    to `context.make_trainer`.
    """

    name: str
    Options: type[O]
    rows: Callable[[Example, Encoder, O], TrainingRow | str]
    trainer: Callable[[TrainingContext[O]], Trainer]
    rates: tuple[float, float]
    model: ModelKind = "causal"
    labels: tuple[str, ...] = ()
    template: Callable[[PreTrainedTokenizerFast], str] | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    version: int = 1

    def rate(self, options: O) -> float:
        """The highest learning rate: the one asked for, or the method's own."""
        with_lora, without = self.rates
        return options.learning_rate or (with_lora if options.lora_rank else without)
