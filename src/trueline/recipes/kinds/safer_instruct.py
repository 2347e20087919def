"""Preference pairs from raw text, with no human labels (Safer-Instruct, arXiv 2311.08685).

A reversed model writes the instruction that each text could be the answer to; rules, near-
duplicates and, if one is named, a labeller filter the instructions; an expert model answers what
is left.  The expert's answer is preferred over the text, or the text over the answer (`--prefer
text`), for texts that are good answers themselves.

The filters' wording and the choice among candidates are ours: the paper's could not be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta

from trueline.policy.load import load
from trueline.policy.types import Policy
from trueline.recipes.build import run_recipe
from trueline.recipes.filters.blank import blank
from trueline.recipes.filters.boilerplate import boilerplate
from trueline.recipes.filters.contrast import contrast
from trueline.recipes.filters.near_duplicates import near_duplicates, prompt_text, response_text
from trueline.recipes.options import Boilerplate, Decontaminate, Filter, Induce, Respond, Texts
from trueline.recipes.stages import (
    decontaminate_stages,
    filter_stages,
    induce_stage,
    respond_stage,
)
from trueline.recipes.steps.prefer import prefer
from trueline.recipes.texts import RawTexts
from trueline.runs.options import RunOptions, check_options
from trueline.runs.record import RunRecord
from trueline.runs.stage import Stage

VERSION = 1
RECIPE = f"safer_instruct@{VERSION}"
TEXT, EXPERT = 0, 1  # the places of the two responses in a pair


@dataclass(frozen=True, kw_only=True)
class Options(Texts, Induce, Filter, Decontaminate, Respond, Boilerplate, RunOptions):
    """Options of `trueline build safer-instruct`."""

    prefer: Annotated[
        Literal["expert", "text"], Meta(description="Side that is preferred in every pair.")
    ] = "expert"


def build(options: Options) -> RunRecord | None:
    """Texts in, preference pairs out: a data set folder at `options.out`, with its card.

    None for a dry run, which prints the most that the run could cost and sends nothing.
    """
    check_options(options)
    policy = load(options.policy)
    texts = RawTexts.of(options)
    stages = make_stages(options, policy)
    rows = texts.survey()
    return run_recipe("safer-instruct", options, policy, texts.examples(RECIPE), stages, rows)


def make_stages(options: Options, policy: Policy) -> list[Stage]:
    """The way of a text through the recipe; cheap checks come before calls."""
    near = options.near
    chosen, rejected = (EXPERT, TEXT) if options.prefer == "expert" else (TEXT, EXPERT)
    rule = f"{RECIPE}: the {options.prefer} is preferred"
    return [
        Stage("blank", blank),
        Stage(
            "duplicate text",
            partial(near_duplicates, text_of=response_text, what="text", threshold=near),
        ),
        induce_stage(options),
        Stage(
            "duplicate instruction",
            partial(near_duplicates, text_of=prompt_text, what="instruction", threshold=near),
        ),
        *decontaminate_stages(options),
        *filter_stages(options, policy),
        respond_stage(options),
        Stage("contrast", partial(contrast, threshold=near)),
        Stage("prefer", partial(prefer, chosen=chosen, rejected=rejected, rule=rule)),
        Stage("boilerplate", partial(boilerplate, keep=options.keep_boilerplate)),
    ]
