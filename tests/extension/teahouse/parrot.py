"""Learn to repeat the request."""

from __future__ import annotations

from dataclasses import dataclass

from trueline.records.types import Example, Message
from trueline.train.data.encoder import Encoder
from trueline.train.data.rows import TrainingRow
from trueline.train.method import Method
from trueline.train.methods.sft import train_completions
from trueline.train.options import TrainOptions


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """Options of `trueline train parrot`."""


def rows(example: Example, encoder: Encoder, options: Options) -> TrainingRow | str:
    if not example.prompt:
        return "no prompt"
    answer = (Message("assistant", example.prompt[-1].content),)
    return TrainingRow((encoder.encode_completion(example.prompt, answer),))


METHOD = Method("parrot", Options, rows, train_completions, rates=(2e-4, 2e-5))
