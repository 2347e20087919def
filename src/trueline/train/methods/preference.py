"""Direct preference optimisation: make the chosen response likelier than the rejected one.

DPO (arXiv 2305.18290) against the model as it was: its log-probabilities are computed once,
before the first step, so that no second model stays in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from trueline.records.types import Example
from trueline.train.data import turns
from trueline.train.data.encoder import Encoder
from trueline.train.data.rows import TrainingRow
from trueline.train.method import Columns, Method, TrainingContext
from trueline.train.options import TrainOptions

if TYPE_CHECKING:
    from transformers import Trainer


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """Options of `trueline train preference`."""

    beta: Annotated[
        float, Meta(gt=0, description="How firmly the model is held to what it was.")
    ] = 0.1


def rows(example: Example, encoder: Encoder, options: Options) -> TrainingRow | str:
    """The chosen and the rejected response to one prompt."""
    pair = turns.extract_pair(example)
    if isinstance(pair, str):
        return pair
    return TrainingRow(encoder.encode_pair(*pair))


def columns(row: TrainingRow) -> Columns:
    """What TRL's DPO reads: the shared prompt, and each answer without it."""
    chosen, rejected = row.segments
    prompt = chosen.mask.index(True)
    return {
        "prompt_ids": chosen.ids[:prompt],
        "chosen_ids": chosen.ids[prompt:],
        "rejected_ids": rejected.ids[prompt:],
    }


def trainer(context: TrainingContext[Options]) -> Trainer:
    """TRL's DPO."""
    from trl import DPOConfig, DPOTrainer

    config = DPOConfig(
        **context.arguments,
        beta=context.options.beta,
        max_length=None,
        precompute_ref_log_probs=True,
    )
    return context.make_trainer(DPOTrainer, config, columns)


METHOD = Method(
    "preference",
    Options,
    rows,
    trainer,
    rates=(5e-5, 5e-6),
    metrics={"accuracy": "rewards/accuracies", "margin": "rewards/margins"},
)
