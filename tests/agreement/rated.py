"""Examples with labels whose agreement is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.policy.load import load
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    with_labels,
)

POLICY = load()
A, B, C = (
    LabellerId("person", "Ada"),
    LabellerId("person", "Ben"),
    LabellerId("judge", "judge", "ab" * 16),
)
LETTER = Question("letter", "response", "one-of", "Which letter?", options=tuple("abcde"))


def made(number: int, prompt: str | None = None, responses: int = 1, **more: Any) -> Example:
    """An Example of its own."""
    answers = [Response((Message("assistant", f"answer {i}"),)) for i in range(responses)]
    return Example.new([Message("user", prompt or f"request {number}")], answers, **more)


def label(
    of: Example, question: str, by: LabellerId, value: Any, about: Any = (0,), **more: Any
) -> Label:
    """An answer to one of the policy's questions; None is unscored."""
    why = "the judge failed: timeout" if value is None else None
    return Label.new(of, POLICY[question], about, by, value=value, unscored=why, **more)


def rated(
    raters: Sequence[LabellerId], units: Sequence[Sequence[Any]], asked: Question
) -> list[Example]:
    """One Example a unit, with the ratings by each rater, "." where one gave none."""
    found = []
    for number, unit in enumerate(units):
        example = made(number)
        given = [
            Label.new(example, asked, (0,), by, value=value)
            for by, value in zip(raters, unit, strict=True)
            if value != "."
        ]
        found.append(with_labels(example, *given))
    return found
