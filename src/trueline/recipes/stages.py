"""Stages from option groups: here options end, and what is used of them is passed on."""

from __future__ import annotations

from functools import partial

from trueline.policy.types import Policy
from trueline.recipes.filters.decontaminate import decontaminate
from trueline.recipes.filters.labeller import accepted_answers, labeller_filter
from trueline.recipes.options import Decontaminate, Filter, Induce, Respond
from trueline.recipes.steps.induce import induce
from trueline.recipes.steps.respond import respond
from trueline.records.types import Sampling
from trueline.runs.stage import Stage


def induce_stage(options: Induce) -> Stage:
    sampling = Sampling(
        temperature=options.temperature, max_tokens=options.instruction_tokens, seed=options.seed
    )
    make = partial(induce, model=options.reverse, count=options.candidates, sampling=sampling)
    return Stage("induce", make)


def respond_stage(options: Respond) -> Stage:
    sampling = Sampling(
        temperature=options.answer_temperature,
        max_tokens=options.answer_tokens,
        seed=options.seed,
    )
    make = partial(respond, model=options.expert, sampling=sampling, system=options.expert_system)
    return Stage("expert", make)


def filter_stages(options: Filter, policy: Policy) -> list[Stage]:
    """The labeller's stage, if one is named.  Raises InputError for a question that cannot decide
    what passes."""
    if options.filter_by is None:
        return []
    make = partial(
        labeller_filter,
        name=options.filter_by,
        question=options.question,
        accept=accepted_answers(options.question, options.expect, policy),
    )
    return [Stage("filter", make)]


def decontaminate_stages(options: Decontaminate) -> list[Stage]:
    """The stage that knows the evaluation files, if there are any."""
    if not options.decontaminate:
        return []
    make = partial(
        decontaminate,
        files=options.decontaminate,
        field=options.decontaminate_field,
        threshold=options.near,
    )
    return [Stage("decontaminate", make)]
