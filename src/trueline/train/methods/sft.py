"""Supervised fine-tuning: learn to give the preferred, or the only, response to each prompt.

The prompt is read and not learnt; the response is learnt up to and with its end token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from trueline.records.types import Example
from trueline.runs.options import NotNegativeInt
from trueline.train.data import turns
from trueline.train.data.encoder import Encoder
from trueline.train.data.rows import TrainingRow
from trueline.train.method import Columns, Method, TrainingContext
from trueline.train.options import TrainOptions

if TYPE_CHECKING:
    from transformers import Trainer


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """Options of `trueline train sft`."""

    response: Annotated[
        NotNegativeInt | None,
        Meta(description="Index of the response to learn, from 0; unset, the preferred one."),
    ] = None
    turns: Annotated[
        Literal["response", "all"],
        Meta(description="Learn the response, or the assistant's turns in the prompt too."),
    ] = "response"
    packing: Annotated[
        bool, Meta(description="Join rows up to --max-length tokens, for speed on a GPU.")
    ] = False


def rows(example: Example, encoder: Encoder, options: Options) -> TrainingRow | str:
    """The prompt and the response to learn."""
    completion = turns.extract_completion(example, options.response)
    if isinstance(completion, str):
        return completion
    segment = encoder.encode_completion(*completion, earlier=options.turns == "all")
    return TrainingRow((segment,))


def columns(row: TrainingRow) -> Columns:
    """What TRL's SFT reads; labels of -100 are not learnt."""
    (segment,) = row.segments
    counted = zip(segment.ids, segment.mask, strict=True)
    return {"input_ids": segment.ids, "labels": [i if counts else -100 for i, counts in counted]}


def train_completions(
    context: TrainingContext[TrainOptions], pack_length: int | None = None
) -> Trainer:
    """TRL's SFT on rows of one segment; if they are packed, to at most `pack_length` tokens,
    they do not see one another."""
    from trl import SFTConfig, SFTTrainer

    packing = pack_length is not None
    config = SFTConfig(**context.arguments, packing=packing, max_length=pack_length)
    return context.make_trainer(SFTTrainer, config, columns)


def trainer(context: TrainingContext[Options]) -> Trainer:
    """TRL's SFT."""
    options = context.options
    return train_completions(context, options.max_length if options.packing else None)


METHOD = Method("sft", Options, rows, trainer, rates=(2e-4, 2e-5))
