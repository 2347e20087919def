"""What every training method can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from trueline.files.errors import InputError
from trueline.runs import context

# Not part of a run's identity: they place it or show it, and change no weight.
DISPLAY = frozenset({"data", "out", "reveal", "json", "report_to", "log_steps", "checkpoint_steps"})

Count = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0, lt=float("inf"))]


class TrainOptions(Struct, frozen=True, kw_only=True):
    """Options that every method has; a method's own `Options` adds to them."""

    data: Annotated[
        Path | None, Meta(description="A data set folder, or JSONL of Examples (also .gz).")
    ] = None
    model: Annotated[
        str, Meta(description="What to train: nano, nano:base, a model folder or hf:ORG/NAME.")
    ] = "nano"
    out: Annotated[Path, Meta(description="The folder for the trained model.")]
    lora_rank: Annotated[
        int, Meta(ge=0, description="Rank of the LoRA; 0 trains every weight.")
    ] = 16
    save: Annotated[
        Literal["merged", "adapter"],
        Meta(description="With LoRA: a whole model, or an adapter that names its base."),
    ] = "merged"
    chat_template: Annotated[
        Path | None, Meta(description="A Jinja file that replaces the model's chat template.")
    ] = None
    epochs: Annotated[Positive, Meta(description="Passes over the data.")] = 1.0
    max_steps: Annotated[Count | None, Meta(description="Stop after N steps.")] = None
    batch_size: Annotated[Count, Meta(description="Rows in a batch on each device.")] = 16
    gradient_accumulation: Annotated[Count, Meta(description="Batches summed up for a step.")] = 1
    learning_rate: Annotated[
        Positive | None,
        Meta(description="Peak learning rate; unset, by method and LoRA (see card)."),
    ] = None
    schedule: Annotated[
        Literal["linear", "cosine", "constant", "constant_with_warmup"],
        Meta(description="How the learning rate falls."),
    ] = "linear"
    warmup: Annotated[
        float, Meta(ge=0, lt=1, description="Share of the steps in which the rate rises.")
    ] = 0.03
    max_length: Annotated[
        Count, Meta(description="Max tokens of a row; the end of a longer one is cut and counted.")
    ] = 1024
    gradient_checkpointing: Annotated[
        bool, Meta(description="Less memory, about a third more time.")
    ] = False
    seed: Annotated[int, Meta(description="Random seed for order and new weights.")] = 0
    checkpoint_steps: Annotated[Count, Meta(description="Steps between checkpoints.")] = 200
    log_steps: Annotated[Count, Meta(description="Steps between entries of the log.")] = 10
    report_to: Annotated[
        tuple[str, ...], Meta(description="Trackers as in transformers (repeatable).")
    ] = ()
    reveal: Annotated[bool, Meta(description="Show the texts trained on, unmasked.")] = False
    json: Annotated[bool, Meta(description="Print the card as JSON.")] = False


def check(options: TrainOptions) -> None:
    """InputError for a number that no training could use, or a tracker that is not installed."""
    context.check(options)
    if not options.report_to:
        return
    from transformers.integrations import get_available_reporting_integrations

    installed = sorted(get_available_reporting_integrations())
    for name in options.report_to:
        if name not in installed:
            names = ", ".join(installed) or "none"
            raise InputError(
                f"--report-to {name}: no such tracker is installed (there are: {names})"
            )
