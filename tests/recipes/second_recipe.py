"""Answers to prompts that a labeller lets pass: a second recipe, of the groups and steps that the
first one has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from trueline.policy.load import load
from trueline.recipes.build import run_recipe
from trueline.recipes.filters.blank import blank
from trueline.recipes.filters.near_duplicates import near_duplicates, prompt_text
from trueline.recipes.options import Filter, Induce, Near, Respond, Texts
from trueline.recipes.stages import filter_stages, induce_stage, respond_stage
from trueline.recipes.texts import RawTexts
from trueline.runs.options import RunOptions, check_options
from trueline.runs.record import RunRecord
from trueline.runs.stage import Stage

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Options(Texts, Induce, Filter, Respond, Near, RunOptions):
    """Options of this recipe: nothing but groups."""


def build(options: Options) -> RunRecord | None:
    check_options(options)
    policy = load(options.policy)
    texts = RawTexts.of(options)
    duplicates = partial(
        near_duplicates, text_of=prompt_text, what="prompt", threshold=options.near
    )
    stages = [
        Stage("blank", blank),
        induce_stage(options),
        Stage("duplicate prompt", duplicates),
        *filter_stages(options, policy),
        respond_stage(options),
    ]
    rows = texts.survey()
    return run_recipe("second-recipe", options, policy, texts.examples("second@1"), stages, rows)
