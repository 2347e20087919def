"""What every training method can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from trueline.files.errors import InputError

# Not part of a run's identity: they place it or show it, and change no weight.
DISPLAY = frozenset({"data", "out", "reveal", "json", "report_to", "log_steps", "checkpoint_steps"})


class TrainOptions(Struct, frozen=True, kw_only=True):
    """Options that every method has; a method's own `Options` adds to them."""

    data: Annotated[
        Path | None, Meta(description="A data set folder, or JSONL of Examples (also .gz).")
    ] = None
    model: Annotated[
        str, Meta(description="What to train: nano, nano:base, a model folder or hf:ORG/NAME.")
    ] = "nano"
    out: Annotated[Path, Meta(description="The folder for the trained model.")]
    lora_rank: Annotated[int, Meta(description="Rank of the LoRA; 0 trains every weight.")] = 16
    save: Annotated[
        Literal["merged", "adapter"],
        Meta(description="With LoRA: a whole model, or an adapter that names its base."),
    ] = "merged"
    chat_template: Annotated[
        Path | None, Meta(description="A Jinja file that replaces the model's chat template.")
    ] = None
    epochs: Annotated[float, Meta(description="Passes over the data.")] = 1.0
    max_steps: Annotated[int | None, Meta(description="Stop after so many steps.")] = None
    batch_size: Annotated[int, Meta(description="Rows in a batch on each device.")] = 16
    gradient_accumulation: Annotated[int, Meta(description="Batches summed up for a step.")] = 1
    learning_rate: Annotated[
        float | None, Meta(description="The highest rate; unset, by method and LoRA (see card).")
    ] = None
    schedule: Annotated[
        Literal["linear", "cosine", "constant", "constant_with_warmup"],
        Meta(description="How the rate falls."),
    ] = "linear"
    warmup: Annotated[float, Meta(description="Share of the steps in which it rises.")] = 0.03
    max_length: Annotated[
        int, Meta(description="Tokens of a row; the end of a longer one is cut and counted.")
    ] = 1024
    gradient_checkpointing: Annotated[
        bool, Meta(description="Less memory, about a third more time.")
    ] = False
    seed: Annotated[int, Meta(description="For everything that is drawn.")] = 0
    checkpoint_steps: Annotated[int, Meta(description="Steps between checkpoints.")] = 200
    log_steps: Annotated[int, Meta(description="Steps between entries of the log.")] = 10
    report_to: Annotated[
        tuple[str, ...], Meta(description="Trackers as in transformers (repeatable).")
    ] = ()
    reveal: Annotated[bool, Meta(description="Show the texts trained on, unmasked.")] = False
    json: Annotated[bool, Meta(description="Print the card as JSON.")] = False


_POSITIVE = (
    "epochs max_steps batch_size gradient_accumulation learning_rate max_length checkpoint_steps "
    "log_steps beta"
).split()


def check(options: TrainOptions) -> None:
    """InputError for a number that no training could use."""
    for name in _POSITIVE:
        value = getattr(options, name, None)
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name.replace('_', '-')} {value}: it must be over 0")
    if options.lora_rank < 0:
        raise InputError(f"--lora-rank {options.lora_rank}: 0 (train every weight) or more")
    if not 0 <= options.warmup < 1:
        raise InputError(f"--warmup {options.warmup}: a share of the steps, from 0 to below 1")
