"""What every training method can be told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from trueline.files.errors import InputError
from trueline.runs.options import ARGUMENT, NO_IDENTITY, Count, NotNegativeInt, Output

Positive = Annotated[float, Meta(gt=0, le=sys.float_info.max)]


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Output):
    """Options that every method has; a method's own `Options` adds to them."""

    # the rows that it gives are part of a run's identity themselves
    data: Annotated[
        Path | None,
        Meta(
            description="A data set folder, or JSONL of Examples (also .gz).",
            extra={**ARGUMENT, **NO_IDENTITY},
        ),
    ] = None
    out: Annotated[Path, Meta(description="Folder for the trained model.", extra=NO_IDENTITY)]
    model: Annotated[
        str, Meta(description="What to train: nano, nano:base, a model folder or hf:ORG/NAME.")
    ] = "nano"
    lora_rank: Annotated[
        NotNegativeInt, Meta(description="Rank of the LoRA; 0 trains every weight.")
    ] = 16
    save: Annotated[
        Literal["merged", "adapter"],
        Meta(description="With LoRA: a whole model, or an adapter that names its base."),
    ] = "merged"
    chat_template: Annotated[
        Path | None, Meta(description="A Jinja file that replaces the model's chat template.")
    ] = None
    epochs: Annotated[Positive, Meta(description="Passes over the data.")] = 1.0
    max_steps: Annotated[
        Count | None, Meta(description="Stop after N steps (default: after all epochs).")
    ] = None
    batch_size: Annotated[Count, Meta(description="Rows in a batch on each device.")] = 16
    gradient_accumulation: Annotated[Count, Meta(description="Batches summed up for a step.")] = 1
    learning_rate: Annotated[
        Positive | None,
        Meta(description="Peak learning rate (default: by method and LoRA, see the card)."),
    ] = None
    schedule: Annotated[
        Literal["linear", "cosine", "constant", "constant_with_warmup"],
        Meta(description="How the learning rate falls."),
    ] = "linear"
    warmup: Annotated[
        Annotated[float, Meta(ge=0, lt=1)],
        Meta(description="Share of the steps in which the learning rate rises."),
    ] = 0.03
    max_length: Annotated[
        Count, Meta(description="Max tokens of a row; the end of a longer one is cut and counted.")
    ] = 1024
    gradient_checkpointing: Annotated[
        bool, Meta(description="Less memory, about a third more time.")
    ] = False
    seed: Annotated[int, Meta(description="Random seed, for the order and for new weights.")] = 0
    checkpoint_steps: Annotated[
        Count, Meta(description="Steps between checkpoints.", extra=NO_IDENTITY)
    ] = 200
    log_steps: Annotated[
        Count, Meta(description="Steps between entries of the log.", extra=NO_IDENTITY)
    ] = 10
    report_to: Annotated[
        tuple[str, ...],
        Meta(description="Tracker, as transformers names it (repeatable).", extra=NO_IDENTITY),
    ] = ()
    reveal: Annotated[
        bool, Meta(description="Show the texts trained on, unmasked.", extra=NO_IDENTITY)
    ] = False


def check_trackers(names: tuple[str, ...]) -> None:
    """Raises InputError if a tracker is not installed, or none that transformers knows."""
    if not names:
        return
    from transformers.integrations import get_available_reporting_integrations

    installed = sorted(get_available_reporting_integrations())
    for name in names:
        if name not in installed:
            there = ", ".join(installed) or "none"
            raise InputError(
                f"--report-to {name}: no such tracker is installed (there are: {there})"
            )
