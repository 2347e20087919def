"""Supervised fine-tuning: learn to give the preferred, or the only, response to each prompt.

The prompt is read and not learnt; the response is learnt up to and with its end token.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta

from trueline.records.types import Example
from trueline.train import loading, run
from trueline.train.card import Card
from trueline.train.data import turns
from trueline.train.options import TrainOptions


class Options(TrainOptions, frozen=True, kw_only=True):
    """What `trueline train sft` can be told."""

    response: Annotated[
        int | None, Meta(description="Learn response number so many; unset, the preferred one.")
    ] = None
    turns: Annotated[
        Literal["response", "all"],
        Meta(description="Learn the response, or the assistant's turns in the prompt too."),
    ] = "response"
    packing: Annotated[
        bool, Meta(description="Rows behind one another up to --max-length, for speed on a GPU.")
    ] = False


def train(options: Options, examples: Iterable[Example] | None = None) -> Card:
    """A model folder at `options.out` that answers as the Examples do."""
    return run.train(METHOD, options, examples)


def trainer(model: Any, tokenizer: Any, data: Any, options: Any, arguments: dict[str, Any]) -> Any:
    """TRL's SFT on the rows; packed, documents do not see one another."""
    from trl import SFTConfig

    from trueline.train.trl.trainers import Completions

    packing = getattr(options, "packing", False)
    config = SFTConfig(
        **arguments, packing=packing, max_length=options.max_length if packing else None
    )
    return Completions(
        model=model,
        args=config,
        train_dataset=data(config),
        processing_class=tokenizer,
        peft_config=loading.lora(options),
    )


METHOD = run.Method(
    name="sft",
    rates=(2e-4, 2e-5),
    turns=lambda example, options: turns.sft(example, options.response),
    trainer=trainer,
)
