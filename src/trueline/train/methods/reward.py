"""A reward model: one score for a prompt and its response, higher for the better of two.

Bradley–Terry with the penalty of Safe RLHF (arXiv 2310.12773): −log σ(R_better − R_worse) +
c · mean(R²).  The score is read at the conversation's last token.  A pair of which one side is
longer than --max-length is not used, but counted: without its end it would be scored elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from trueline.records.types import Example
from trueline.runs.options import NotNegative
from trueline.train.data import turns
from trueline.train.data.encoder import Encoder
from trueline.train.data.rows import TrainingRow
from trueline.train.method import Columns, Method, TrainingContext
from trueline.train.options import TrainOptions

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, Trainer


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """Options of `trueline train reward`."""

    square_penalty: Annotated[
        NotNegative, Meta(description="Weight c of the mean squared score, which keeps it near 0.")
    ] = 0.001


def rows(example: Example, encoder: Encoder, options: Options) -> TrainingRow | str:
    """The whole conversation with the chosen and with the rejected response."""
    pair = turns.extract_pair(example)
    if isinstance(pair, str):
        return pair
    chosen = encoder.encode_scored("chosen", pair.prompt + pair.chosen)
    rejected = encoder.encode_scored("rejected", pair.prompt + pair.rejected)
    return TrainingRow((chosen, rejected))


def columns(row: TrainingRow) -> Columns:
    """What TRL's reward trainer reads."""
    return {f"{segment.name}_ids": segment.ids for segment in row.segments}


def trainer(context: TrainingContext[Options]) -> Trainer:
    """TRL's reward trainer, with our penalty."""
    from trl import RewardConfig, RewardTrainer

    penalty = context.options.square_penalty

    class PenalisedRewardTrainer(RewardTrainer):  # type: ignore[misc]
        def compute_loss(
            self, model: PreTrainedModel, inputs: dict[str, Tensor], *args: object, **kwargs: object
        ) -> Tensor | tuple[Tensor, object]:
            kwargs["return_outputs"], wanted = True, kwargs.get("return_outputs", False)
            loss, outputs = super().compute_loss(model, inputs, *args, **kwargs)
            # TRL's own center_rewards_coefficient squares the sum of the two scores: a better at
            # +100 and a worse at -100 would cost nothing
            loss = loss + penalty * outputs.logits.square().mean()
            return (loss, outputs) if wanted else loss

    config = RewardConfig(**context.arguments, max_length=None)
    return context.make_trainer(PenalisedRewardTrainer, config, columns)


METHOD = Method(
    "reward",
    Options,
    rows,
    trainer,
    rates=(1e-4, 1e-5),
    model="classifier",
    labels=("reward",),
    metrics={"accuracy": "accuracy", "margin": "margin"},
)
