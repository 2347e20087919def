"""Preference pairs from raw text, with no human labels (Safer-Instruct, arXiv 2311.08685).

A reversed model writes the instruction that each text could be the answer to; rules, near-
duplicates and, where asked, a judge filter the instructions; an expert model answers what is left.
The expert's answer is preferred over the text, or the text over the answer (`--prefer text`), for
texts that are good answers themselves.

The filters' wording and the choice among candidates are ours: the paper's could not be read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from trueline.files.errors import InputError
from trueline.labellers.contract import Labeller
from trueline.labellers.guarded import Guarded
from trueline.labellers.judge.judge import SAMPLING, Judge
from trueline.models.contract import Model, response
from trueline.models.open import without_key
from trueline.policy.load import load
from trueline.recipes import card, texts
from trueline.recipes.filters import texts as filters
from trueline.recipes.filters.near_duplicates import first_of_each, jaccard, shingles
from trueline.recipes.filters.texts import blank, decontaminate, prompt_text
from trueline.recipes.options import Boilerplate, Decontaminate, Filter, Induce, Respond, Texts
from trueline.recipes.steps.induce import Induction
from trueline.records.preference import preference_label
from trueline.records.types import (
    Example,
    LabellerId,
    Message,
    Question,
    Reject,
    Sampling,
    with_labels,
    with_responses,
)
from trueline.runs.context import Setup, dry_run, setup
from trueline.runs.options import RunOptions, check_options
from trueline.runs.run import RunRecord
from trueline.runs.stream import Item, Stage
from trueline.runs.sync import wait

VERSION = 1
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
    for tag in options.tag:
        if not all(tag.partition(":")):
            raise InputError(f"--tag {tag}: a tag is written key:value")
    if options.judge is not None:
        _question(options)
    elif options.policy is not None:
        raise InputError("--policy holds the question for a judge: name one with --judge")
    rows = texts.survey(options.texts, options.text_field, options.tag_field)
    rows = rows if options.limit is None else min(rows, options.limit)
    if options.dry_run:
        print(dry_run(rows, bounds(options)))
        return None
    return wait(_build(options, rows))


async def _build(options: Options, rows: int) -> RunRecord:
    origin = texts.Origin(
        f"safer_instruct@{VERSION}", options.license, options.tag, options.tag_field
    )
    async with setup("build safer-instruct", options) as ready:
        return await ready.run(
            texts.examples(options.texts, options.text_field, origin, options.limit),
            stages(options, ready),
            total=rows,
            finish=lambda record: card.write(
                options.out, record, options.judge and without_key(options.judge)
            ),
        )


def stages(options: Options, ready: Setup) -> list[Stage]:
    """The way of a text through the recipe; cheap checks come before calls."""
    reverse, expert = ready.model(options.reverse), ready.model(options.expert)
    found = [
        Stage("blank", blank),
        Stage("duplicate text", table=first_of_each(_text, "text", options.near)),
        Stage("induce", Induction(reverse, options).step, window=ready.window),
        Stage(
            "duplicate instruction",
            table=first_of_each(prompt_text, "instruction", options.near),
        ),
    ]
    if options.decontaminate:
        found.append(
            decontaminate(options.decontaminate, options.decontaminate_field, options.near)
        )
    if options.judge is not None:
        judge = Judge(ready.model(options.judge), without_key(options.judge))
        step = asked(Guarded(judge, retry_later=True), _question(options), options.expect == "yes")
        found.append(Stage("judge", step, window=ready.window))
    return [
        *found,
        Stage("expert", answered(expert, options), window=ready.window),
        Stage("prefer", prefer(options)),
        filters.Boilerplate(options.keep_boilerplate).stage,
    ]


def bounds(options: Options) -> dict[str, tuple[int, int]]:
    """For each model: at most so many calls and completion tokens a row."""
    drawn = options.candidates * options.instruction_tokens
    # One draw and two scorings, where it can; a server may give one sample a request.
    found = {f"{without_key(options.reverse)} (induce)": (max(3, options.candidates), drawn)}
    if options.judge is not None:
        found[f"{without_key(options.judge)} (judge)"] = (2, 2 * (SAMPLING.max_tokens or 0))
    found[f"{without_key(options.expert)} (expert)"] = (1, options.answer_tokens)
    return found


def _question(options: Options) -> Question:
    questions = load(options.policy)
    if options.question not in questions:
        raise InputError(
            f"--question {options.question}: the policy has {', '.join(sorted(questions))}"
        )
    question = questions[options.question]
    if question.kind != "yes-no" or question.about != "prompt":
        raise InputError(
            f"--question {question.id} is {question.kind} about the {question.about}: the filter "
            "asks a yes-no question about the prompt"
        )
    return question


def _text(example: Example) -> str:
    return example.responses[TEXT].text


def asked(
    labeller: Labeller, question: Question, expected: bool
) -> Callable[[Example], Awaitable[Item]]:
    """A step that labels each instruction; those answered otherwise than expected are rejected,
    and so are those that the labeller has no answer for: unscored is not a pass."""

    async def step(example: Example) -> Item:
        [label] = await labeller.label(example, [question])
        example = with_labels(example, label)
        if label.unscored is not None:
            return Reject("judge", "unscored", example, detail=label.unscored)
        if label.value is not expected:
            said = "yes" if label.value else "no"
            return Reject("judge", f"{question.id} answered {said}", example)
        return example

    return step


def answered(expert: Model, options: Options) -> Callable[[Example], Awaitable[Item]]:
    """A step that adds the expert's answer."""
    sampling = Sampling(
        temperature=options.answer_temperature,
        max_tokens=options.answer_tokens,
        seed=options.seed,
    )
    system = (Message("system", options.expert_system),) if options.expert_system else ()

    async def step(example: Example) -> Item:
        [completion] = await expert.generate(system + example.prompt, sampling)
        example = with_responses(example, response(expert, sampling, completion))
        if not completion.text.strip():
            return Reject("expert", "blank answer", example)
        if completion.finish == "length":
            return Reject(
                "expert", "unfinished", example, detail=f"over {options.answer_tokens} tokens"
            )
        if completion.finish == "content_filter":
            return Reject(
                "expert", "withheld", example, detail="the server's content filter cut it"
            )
        if jaccard(shingles(completion.text), shingles(_text(example))) >= options.near:
            return Reject("expert", "no contrast", example, detail="the answer repeats the text")
        return example

    return step


def prefer(options: Options) -> Callable[[Example], Item]:
    """A step that stores the preference, which holds by construction."""
    chosen, rejected = (EXPERT, TEXT) if options.prefer == "expert" else (TEXT, EXPERT)
    by = LabellerId("derived", f"safer_instruct@{VERSION}: the {options.prefer} is preferred")

    def step(example: Example) -> Item:
        return with_labels(example, preference_label(example, chosen, rejected, by))

    return step
