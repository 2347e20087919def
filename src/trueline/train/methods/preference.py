"""Direct preference optimisation: make the chosen response likelier than the rejected one.

DPO (arXiv 2305.18290) against the model as it was: its log-probabilities are computed once,
before the first step, so that no second model stays in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta

from trueline.records.types import Example
from trueline.train import loading, run
from trueline.train.card import Card
from trueline.train.data import turns
from trueline.train.options import TrainOptions


class Options(TrainOptions, frozen=True, kw_only=True):
    """What `trueline train preference` can be told."""

    beta: Annotated[float, Meta(description="How firmly the model is held to what it was.")] = 0.1


def train(options: Options, examples: Iterable[Example] | None = None) -> Card:
    """A model folder at `options.out` that prefers as the Examples' labels do."""
    return run.train(METHOD, options, examples)


def trainer(model: Any, tokenizer: Any, data: Any, options: Any, arguments: dict[str, Any]) -> Any:
    """TRL's DPO on the pairs."""
    from trl import DPOConfig

    from trueline.train.trl.trainers import Pairs

    config = DPOConfig(
        **arguments, beta=options.beta, max_length=None, precompute_ref_log_probs=True
    )
    return Pairs(
        model=model,
        args=config,
        train_dataset=data(config),
        processing_class=tokenizer,
        peft_config=loading.lora(options),
    )


METHOD = run.Method(
    name="preference",
    rates=(5e-5, 5e-6),
    turns=lambda example, options: turns.preference(example),
    trainer=trainer,
)
