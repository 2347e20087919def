"""`trueline policy`: what the policy asks, and what is wrong in a policy of your own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Meta

from trueline.cli.ending import report
from trueline.cli.groups import LazyGroup
from trueline.cli.options import make_command
from trueline.files.errors import InputError
from trueline.policy.answers import PREFERENCES, format_value
from trueline.policy.load import examine_policy, load
from trueline.policy.types import Category, Crosswalk, Policy
from trueline.records.types import Question
from trueline.runs.options import ARGUMENT, PolicyFile

WIDTH = 88


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Options of `trueline policy check`."""

    file: Annotated[Path, Meta(description="Policy file, in TOML.", extra=ARGUMENT)]
    json: Annotated[bool, Meta(description="Print the report as JSON.")] = False


def check(options: CheckOptions) -> None:
    policy, problems = examine_policy(options.file)
    fine = f"nothing is wrong; {len(policy)} questions: {', '.join(policy)}"
    lines = [f"{options.file}: {line}" for line in problems or [fine]]
    data = {"file": str(options.file), "questions": list(policy), "problems": problems}
    report(data, lines, options.json)
    if problems:
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True)
class ShowOptions(PolicyFile):
    """Options of `trueline policy show`."""

    name: Annotated[
        str | None,
        Meta(description="Question, category or crosswalk (default: all).", extra=ARGUMENT),
    ] = None
    json: Annotated[bool, Meta(description="Print the report as JSON.")] = False


def show(options: ShowOptions) -> None:
    policy = load(options.policy)
    report(plain_data(policy, options.name), format_policy(policy, options.name), options.json)


def plain_data(policy: Policy, name: str | None = None) -> Any:
    """The policy as plain data, or the part of this name."""
    if name is not None:
        return msgspec.to_builtins(_find_part(policy, name))
    return msgspec.to_builtins(
        {
            "questions": list(policy.values()),
            "never": policy.never,
            "follows": policy.follows,
            "categories": policy.categories,
            "crosswalks": policy.crosswalks,
        }
    )


def format_policy(policy: Policy, name: str | None = None) -> Iterator[str]:
    """The policy in lines for a person, or the part of this name."""
    if name is None:
        for question in policy.values():
            yield from (*_question(question), "")
        yield from _rules(policy)
        yield f"categories: {', '.join(policy.categories) or 'none'}"
        yield f"crosswalks: {', '.join(policy.crosswalks) or 'none'}"
        return
    part = _find_part(policy, name)
    if isinstance(part, Category):
        yield from _category(name, part)
    elif isinstance(part, Crosswalk):
        yield from _crosswalk(name, part)
    else:
        yield from _question(part)


def _find_part(policy: Policy, name: str) -> Question | Category | Crosswalk:
    for parts in (policy.questions, policy.categories, policy.crosswalks):
        if name in parts:
            return parts[name]
    raise InputError(
        f"the policy has no question, category or crosswalk {name!r}: `trueline policy show` "
        "prints what it has"
    )


def _question(question: Question) -> Iterator[str]:
    yield f"{question.id} ({question.kind}, about the {question.about})"
    yield from _wrap(question.ask)
    choices = {
        "yes-no": ("yes", "no"),
        "scale": tuple(str(level) for level in question.levels),
        "preference": PREFERENCES,
    }.get(question.kind, question.options)
    for choice in choices:
        meaning = question.anchors.get(choice)
        yield from _wrap(f"{choice}: {meaning}" if meaning else choice, "  - ")
    if question.when:
        conditions = " and ".join(f"{id} is {format_value(v)}" for id, v in question.when.items())
        yield from _wrap(f"Asked only if {conditions}.")
        if question.otherwise is not None:
            yield f"  Otherwise its answer is {format_value(question.otherwise)}."


def _rules(policy: Policy) -> Iterator[str]:
    """Answers that one labeller may not give together."""
    for never in policy.never:
        when = " and ".join(f"{id} is {format_value(v)}" for id, v in never.when.items())
        answers = " or ".join(format_value(answer) for answer in never.answers)
        yield f"{never.question} is never {answers}{f' if {when}' if when else ''}:"
        yield from _wrap(never.because)
    for follows in policy.follows:
        better = f"{follows.question} is {format_value(follows.better)}"
        yield f"{follows.preference} follows the response of which alone {better}:"
        yield from _wrap(follows.because)
    if policy.never or policy.follows:
        yield ""


def _category(name: str, category: Category) -> Iterator[str]:
    yield name
    yield from _wrap(category.definition)
    yield from (line for case in category.includes for line in _wrap(case, "  + "))
    yield from (line for case in category.excludes for line in _wrap(case, "  - "))
    if category.nearest:
        yield from _wrap(f"Unlike {category.nearest}: {category.difference}")


def _crosswalk(name: str, walk: Crosswalk) -> Iterator[str]:
    yield f"{name}: {walk.about}"
    names: dict[str, list[str]] = {}
    for spelling, key in walk.names.items():
        names.setdefault(key, []).append(spelling)
    for key in (*walk.to, *walk.none):
        ours = walk.to.get(key)
        theirs = f"{key} ({', '.join(names[key])})" if key in names else key
        meaning = " or ".join(ours) if ours else f"nothing here: {walk.none[key]}"
        yield from _wrap(f"{theirs} → {meaning}")


def _wrap(text: str, mark: str = "  ") -> list[str]:
    hang = " " * len(mark)
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=mark, subsequent_indent=hang)


_COMMANDS = {
    "check": lambda: make_command(
        CheckOptions, check, "Say all that is wrong in a policy file; exit 1 if anything is."
    ),
    "show": lambda: make_command(
        ShowOptions,
        show,
        "Print the questions as an annotator reads them, the categories, or a crosswalk.",
    ),
}
command = LazyGroup(makers=lambda: _COMMANDS, help="Show a policy, or check one of your own.")
