"""Reversed instruction tuning: learn to write the instruction that a response answers.

The first step of Safer-Instruct (arXiv 2311.08685), with its published template.  Any instruction
data serves: each Example's response is read and the last user turn of its prompt is learnt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from trueline.records.types import Example
from trueline.train import run
from trueline.train.card import Card
from trueline.train.data import turns
from trueline.train.data.templates import reverse_template
from trueline.train.methods import sft
from trueline.train.options import TrainOptions


class Options(TrainOptions, frozen=True, kw_only=True):
    """What `trueline train reverse` can be told."""

    model: Annotated[
        str, Meta(description="What to train: nano:base, a model folder or hf:ORG/NAME.")
    ] = "nano:base"
    response: Annotated[
        int | None, Meta(description="Read response number so many; unset, the preferred one.")
    ] = None


def train(options: Options, examples: Iterable[Example] | None = None) -> Card:
    """A model folder at `options.out` that, asked with a text, gives an instruction for it."""
    return run.train(METHOD, options, examples)


METHOD = run.Method(
    name="reverse",
    rates=(2e-4, 2e-5),
    turns=lambda example, options: turns.reverse(example, options.response),
    trainer=sft.trainer,
    template=reverse_template,
)
