"""Reversed instruction tuning: learn to write the instruction that a response answers.

The first step of Safer-Instruct (arXiv 2311.08685), with its published template.  Any instruction
data serves: each Example's response is read and the last user turn of its prompt is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from trueline.records.types import Example
from trueline.runs.options import NotNegativeInt
from trueline.train.data import turns
from trueline.train.data.encoder import Encoder
from trueline.train.data.rows import TrainingRow
from trueline.train.data.templates import reverse_template
from trueline.train.method import Method
from trueline.train.methods import sft
from trueline.train.options import TrainOptions


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """Options of `trueline train reverse`."""

    model: Annotated[
        str, Meta(description="What to train: nano:base, a model folder or hf:ORG/NAME.")
    ] = "nano:base"
    response: Annotated[
        NotNegativeInt | None,
        Meta(description="Index of the response to read, from 0; unset, the preferred one."),
    ] = None


def rows(example: Example, encoder: Encoder, options: Options) -> TrainingRow | str:
    """The response's text as the request, and the instruction to learn."""
    completion = turns.extract_instruction(example, options.response)
    if isinstance(completion, str):
        return completion
    return TrainingRow((encoder.encode_completion(*completion),))


METHOD = Method(
    "reverse",
    Options,
    rows,
    sft.train_completions,
    rates=(2e-4, 2e-5),
    template=reverse_template,
)
