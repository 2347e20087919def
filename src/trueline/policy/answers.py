"""Which values answer a question."""

from __future__ import annotations

import math
from typing import Any

from trueline.records.types import Question

PREFERENCES = ("first", "second", "tie")
LONGEST = 40
"""Characters of a value that a message repeats."""

_fixed: dict[str, tuple[bool | int | str, ...]] = {
    "yes-no": (True, False),
    "preference": PREFERENCES,
}
_types = {"yes-no": bool, "scale": int}


def choices(question: Question) -> tuple[bool | int | str, ...]:
    """The values between which an answer chooses; none for a number."""
    return _fixed.get(question.kind) or question.levels or question.options


def is_same_answer(one: Any, other: Any) -> bool:
    """Whether two answers are one: true is not 1, and 1.0 is."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def matches(answer: Any, wanted: Any) -> bool:
    """Whether an answer is the one that a `when` names; of some-of, whether it is among them."""
    if isinstance(answer, (tuple, list)):
        return wanted in answer
    return is_same_answer(answer, wanted)


def why_invalid(question: Question, value: Any) -> str | None:
    """Why this value is no answer to the question, None if it is one."""
    if question.kind == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"{format_value(value)} is no number"
        return None if math.isfinite(value) else f"{value} is no finite number"
    if question.kind == "some-of":
        return _why_invalid_options(question, value)
    allowed = choices(question)
    if type(value) is _types.get(question.kind, str) and value in allowed:
        return None
    return f"{format_value(value)} is none of {_format_values(allowed)}"


def _why_invalid_options(question: Question, value: Any) -> str | None:
    if not isinstance(value, (tuple, list)):
        return f"{format_value(value)} is no list of options"
    for one in value:
        if one not in question.options:
            return f"{format_value(one)} is none of {_format_values(question.options)}"
    if list(value) != [option for option in question.options if option in value]:
        return "it does not name each option once, in the question's order"
    return None


def _format_values(values: tuple[Any, ...]) -> str:
    return ", ".join(format_value(value) for value in values)


def format_value(value: Any) -> str:
    """A value as a TOML file has it; cut, for it may be a foreign text."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def short_reason(unscored: str) -> str:
    """What a reason for having no answer has in common with others of its kind: its first part."""
    return unscored.partition(":")[0]
