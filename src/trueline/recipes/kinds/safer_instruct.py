"""Preference pairs from raw text, with no human labels (Safer-Instruct, arXiv 2311.08685).

A reversed model writes the instruction that each text could be the answer to; rules, near-
duplicates and, where asked, a judge filter the instructions; an expert model answers what is left.
The expert's answer is preferred over the text, or the text over the answer (`--prefer text`), for
texts that are good answers themselves.

The filters' wording and the choice among candidates are ours: the paper's could not be read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from trueline.files.errors import InputError
from trueline.labellers.contract import Labeller
from trueline.labellers.judge.judge import SAMPLING, Judge
from trueline.models.contract import Model, response
from trueline.models.open import without_key
from trueline.policy.load import load
from trueline.recipes import card, texts
from trueline.recipes.filters.near_duplicates import first_of_each, jaccard, shingles
from trueline.recipes.filters.texts import Boilerplate, blank, decontaminate, prompt_text
from trueline.recipes.steps.induce import Induction
from trueline.records.preference import preference_label
from trueline.records.types import (
    By,
    Example,
    Message,
    Question,
    Reject,
    Sampling,
    with_labels,
    with_responses,
)
from trueline.runs.context import Count, NotNegative, RunOptions, Setup, check, dry_run, setup
from trueline.runs.run import RunRecord
from trueline.runs.stream import Item, Stage
from trueline.runs.sync import wait

VERSION = 1
SAFETY = (
    "Be safe. If a request could hurt someone, do not help with it; offer something safe instead. "
    "Help with every other request."
)
TEXT, EXPERT = 0, 1  # the places of the two responses in a pair


class Options(RunOptions, frozen=True, kw_only=True):
    """What `trueline build safer-instruct` can be told."""

    texts: Annotated[
        tuple[Path, ...], Meta(description="Raw texts: JSONL, CSV, TXT or Parquet, also .gz.")
    ]
    text_field: Annotated[str, Meta(description="The column that holds the text.")] = "text"
    tag_field: Annotated[
        tuple[str, ...], Meta(description="A column to keep as a tag (repeatable).")
    ] = ()
    tag: Annotated[tuple[str, ...], Meta(description="A tag key:value for every row.")] = ()
    license: Annotated[str | None, Meta(description="The texts' licence, as SPDX.")] = None
    limit: Annotated[Count | None, Meta(description="Read at most so many rows.")] = None
    reverse: Annotated[str, Meta(description="The reversed model.")] = "nano:reverse"
    expert: Annotated[str, Meta(description="The model that answers.")] = "nano"
    expert_system: Annotated[
        str, Meta(description="The expert's system message; empty for none.")
    ] = SAFETY
    prefer: Annotated[
        Literal["expert", "text"], Meta(description="Whose answer is the better one.")
    ] = "expert"
    judge: Annotated[
        str | None, Meta(description="A model that is asked about each instruction.")
    ] = None
    question: Annotated[str, Meta(description="The question it is asked.")] = "elicits_harm"
    policy: Annotated[
        Path | None, Meta(description="A policy file of your own, for the question.")
    ] = None
    expect: Annotated[
        Literal["yes", "no"], Meta(description="The judge's answer that lets a row pass.")
    ] = "yes"
    candidates: Annotated[Count, Meta(description="Instructions drawn for each text.")] = 4
    temperature: Annotated[NotNegative, Meta(description="For drawing them.")] = 0.8
    instruction_tokens: Annotated[Count, Meta(description="At most so long, each.")] = 96
    answer_tokens: Annotated[Count, Meta(description="The expert's answer at most.")] = 256
    answer_temperature: Annotated[NotNegative, Meta(description="0 is greedy.")] = 0.0
    near: Annotated[
        float, Meta(description="Jaccard similarity of near-duplicates.", gt=0, le=1)
    ] = 0.8
    decontaminate: Annotated[
        tuple[Path, ...], Meta(description="Evaluation files; prompts in them are rejected.")
    ] = ()
    decontaminate_field: Annotated[
        str | None, Meta(description="Their column that holds the prompt.")
    ] = None
    keep_boilerplate: Annotated[
        Count | None, Meta(description="Reject a chosen text after so many uses; else report only.")
    ] = None
    seed: Annotated[int, Meta(description="For everything that is drawn.")] = 0


def build(options: Options) -> RunRecord | None:
    """Texts in, preference pairs out: a data set folder at `options.out`, with its card.

    None for a dry run, which prints the most that the run could cost and sends nothing.
    """
    check(options)
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
        judge = Judge(ready.model(options.judge), without_key(options.judge), owes=True)
        step = asked(judge, _question(options), options.expect == "yes")
        found.append(Stage("judge", step, window=ready.window))
    return [
        *found,
        Stage("expert", answered(expert, options), window=ready.window),
        Stage("prefer", prefer(options)),
        Boilerplate(options.keep_boilerplate).stage,
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
            return Reject("judge", f"unscored: {label.unscored}", example)
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
            return Reject("expert", f"unfinished: over {options.answer_tokens} tokens", example)
        if completion.finish == "content_filter":
            return Reject("expert", "withheld: the server's content filter cut it", example)
        if jaccard(shingles(completion.text), shingles(_text(example))) >= options.near:
            return Reject("expert", "no contrast: the answer repeats the text", example)
        return example

    return step


def prefer(options: Options) -> Callable[[Example], Item]:
    """A step that stores the preference, which holds by construction."""
    chosen, rejected = (EXPERT, TEXT) if options.prefer == "expert" else (TEXT, EXPERT)
    by = By("derived", f"safer_instruct@{VERSION}: the {options.prefer} is preferred")

    def step(example: Example) -> Item:
        return with_labels(example, preference_label(example, chosen, rejected, by))

    return step
