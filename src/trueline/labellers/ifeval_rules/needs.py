"""What an instruction needs (a number, a word, a relation), read from a task that may be wrong."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

Need = int | float | str | tuple[str, ...]
Needs = Mapping[str, Need]
Rule = Callable[[str, Needs], str | None]
"""What is wrong with a response by an instruction, or None where it is followed."""

RELATIONS: Mapping[str, Callable[[int, int], bool]] = {
    "at least": operator.ge,
    "at most": operator.le,
    "more than": operator.gt,
    "less than": operator.lt,
}


class Unfit(Exception):
    """The task cannot be judged by: why."""


class Untold(Exception):
    """The rule cannot tell whether this response follows it: why."""


def number(needs: Needs, name: str) -> int:
    """A whole number that is not negative."""
    found = needs.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or found != found // 1:
        raise Unfit(f"{name} is {found!r:.40}, not a whole number")
    if found < 0:
        raise Unfit(f"{name} is {found}, less than none")
    return int(found)


def word(needs: Needs, name: str) -> str:
    """A text that is not blank, without spaces around it."""
    found = needs.get(name)
    if not isinstance(found, str) or not found.strip():
        raise Unfit(f"{name} is {found!r:.40}, not a text")
    return found.strip()


def several(needs: Needs, name: str) -> tuple[str, ...]:
    """One text or more."""
    found = needs.get(name)
    if not isinstance(found, tuple | list) or not all(isinstance(f, str) and f for f in found):
        raise Unfit(f"{name} is {found!r:.40}, not a list of texts")
    if not found:
        raise Unfit(f"{name} is empty")
    return tuple(found)


def related(found: int, needs: Needs, relation: str, limit: str, what: str) -> str | None:
    """Whether a count stands in the relation to the number that the instruction names."""
    name, bound = word(needs, relation), number(needs, limit)
    if name not in RELATIONS:
        raise Unfit(f"{relation} is {name!r:.40}, none of {', '.join(RELATIONS)}")
    return None if RELATIONS[name](found, bound) else f"{what}: {found}, not {name} {bound}"


def exactly(found: int, wanted: int, what: str) -> str | None:
    """Whether a count is the one that was asked for."""
    return None if found == wanted else f"{what}: {found}, not {wanted}"


def at_least(found: int, wanted: int, what: str) -> str | None:
    """Whether a count is at least the one that was asked for."""
    return None if found >= wanted else f"{what}: {found}, not at least {wanted}"
