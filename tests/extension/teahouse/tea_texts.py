"""Examples of raw texts about tea, one response each; texts without the word are rejected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from msgspec import Meta

from trueline.policy.load import load
from trueline.recipes.build import run_recipe
from trueline.recipes.filters.blank import blank
from trueline.recipes.options import Texts
from trueline.recipes.texts import RawTexts
from trueline.records.types import Example
from trueline.runs.context import RunContext
from trueline.runs.options import RunOptions, check_options
from trueline.runs.record import RunRecord
from trueline.runs.stage import Rejected, Stage, Step

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Options(Texts, RunOptions):
    """Options of `trueline build tea-texts`."""

    word: Annotated[str, Meta(description="Word that a text must have.")] = "tea"


def build(options: Options) -> RunRecord | None:
    check_options(options)
    texts = RawTexts.of(options)
    stages = [Stage("blank", blank), Stage("word", partial(mentions, word=options.word))]
    items = texts.examples(f"tea_texts@{VERSION}")
    return run_recipe("tea-texts", options, load(), items, stages, texts.survey())


def mentions(context: RunContext, word: str) -> Step:
    """Rejects texts without the word."""

    def step(example: Example) -> Example | Rejected:
        if word in example.responses[0].text:
            return example
        return Rejected(example, "off the subject", f"no {word!r}")

    return step
