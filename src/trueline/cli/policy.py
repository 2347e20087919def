"""`trueline policy`: what the policy asks, and what is wrong in a policy of your own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from trueline.cli.ending import show_json
from trueline.cli.show import safe
from trueline.files.errors import InputError

if TYPE_CHECKING:
    from trueline.policy.types import Category, Crosswalk, Policy
    from trueline.records.types import Question

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
WIDTH = 88
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A policy of your own, in TOML.")],
    as_json: Json = False,
) -> None:
    """Say all that is wrong in a policy file, and where; exit 1 where anything is."""
    from trueline.policy.load import examine_policy

    policy, wrong = examine_policy(file)
    if as_json:
        show_json({"file": str(file), "questions": list(policy), "problems": wrong})
    elif wrong:
        print("\n".join(safe(f"{file}: {problem}") for problem in wrong))
    else:
        print(safe(f"{file}: nothing is wrong; {len(policy)} questions: {', '.join(policy)}"))
    if wrong:
        raise typer.Exit(1)


@app.command("show")
def show(
    name: Annotated[
        str | None, typer.Argument(help="A question, a category or a crosswalk; else all.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="A policy of your own.  [default: trueline's]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the questions as an annotator reads them, the categories, or a crosswalk."""
    from trueline.policy.load import load

    found = load(policy)
    if as_json:
        show_json(plain(found, name))
    else:
        print("\n".join(safe(line) for line in told(found, name)))


def plain(policy: Policy, name: str | None = None) -> Any:
    """The policy as plain data, or the part of this name."""
    if name is not None:
        return msgspec.to_builtins(_part(policy, name))
    return msgspec.to_builtins(
        {
            "questions": list(policy.values()),
            "never": policy.never,
            "follows": policy.follows,
            "categories": policy.categories,
            "crosswalks": policy.crosswalks,
        }
    )


def told(policy: Policy, name: str | None = None) -> Iterator[str]:
    """The policy in lines for a person, or the part of this name."""
    from trueline.policy.types import Category, Crosswalk

    if name is None:
        for question in policy.values():
            yield from (*_question(question), "")
        yield from _rules(policy)
        yield f"categories: {', '.join(policy.categories) or 'none'}"
        yield f"crosswalks: {', '.join(policy.crosswalks) or 'none'}"
        return
    part = _part(policy, name)
    if isinstance(part, Category):
        yield from _category(name, part)
    elif isinstance(part, Crosswalk):
        yield from _crosswalk(name, part)
    else:
        yield from _question(part)


def _part(policy: Policy, name: str) -> Question | Category | Crosswalk:
    for parts in (policy.questions, policy.categories, policy.crosswalks):
        if name in parts:
            return parts[name]
    raise InputError(
        f"the policy has no question, category or crosswalk {name!r}: `trueline policy show` "
        "prints what it has"
    )


def _question(question: Question) -> Iterator[str]:
    from trueline.policy.answers import PREFERENCES, format_value

    yield f"{question.id} ({question.kind}, about the {question.about})"
    yield from _wrapped(question.ask)
    choices = {
        "yes-no": ("yes", "no"),
        "scale": tuple(str(level) for level in question.levels),
        "preference": PREFERENCES,
    }.get(question.kind, question.options)
    for choice in choices:
        meaning = question.anchors.get(choice)
        yield from _wrapped(f"{choice}: {meaning}" if meaning else choice, "  - ")
    if question.when:
        conditions = " and ".join(f"{id} is {format_value(v)}" for id, v in question.when.items())
        yield from _wrapped(f"Asked only where {conditions}.")
        if question.otherwise is not None:
            yield f"  Elsewhere its answer is {format_value(question.otherwise)}."


def _rules(policy: Policy) -> Iterator[str]:
    """What one labeller may not say together."""
    from trueline.policy.answers import format_value

    for never in policy.never:
        where = " and ".join(f"{id} is {format_value(v)}" for id, v in never.where.items())
        answers = " or ".join(format_value(answer) for answer in never.answers)
        yield f"{never.question} is never {answers}{f' where {where}' if where else ''}:"
        yield from _wrapped(never.because)
    for follows in policy.follows:
        better = f"{follows.question} is {format_value(follows.better)}"
        yield f"{follows.preference} follows the response of which alone {better}:"
        yield from _wrapped(follows.because)
    if policy.never or policy.follows:
        yield ""


def _category(name: str, category: Category) -> Iterator[str]:
    yield name
    yield from _wrapped(category.definition)
    yield from (line for one in category.includes for line in _wrapped(one, "  + "))
    yield from (line for one in category.excludes for line in _wrapped(one, "  - "))
    if category.nearest:
        yield from _wrapped(f"Unlike {category.nearest}: {category.difference}")


def _crosswalk(name: str, walk: Crosswalk) -> Iterator[str]:
    yield f"{name}: {walk.about}"
    names: dict[str, list[str]] = {}
    for spelling, key in walk.names.items():
        names.setdefault(key, []).append(spelling)
    for key in (*walk.to, *walk.none):
        ours = walk.to.get(key)
        theirs = f"{key} ({', '.join(names[key])})" if key in names else key
        meaning = " or ".join(ours) if ours else f"nothing here: {walk.none[key]}"
        yield from _wrapped(f"{theirs} → {meaning}")


def _wrapped(text: str, mark: str = "  ") -> list[str]:
    hang = " " * len(mark)
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=mark, subsequent_indent=hang)
