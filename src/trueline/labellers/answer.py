"""What an instrument has to say to a question, before it becomes a Label."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from trueline.policy.answers import matches
from trueline.records.types import Question, Value


class Answer(NamedTuple):
    """A value, or why there is none; neither if the question was not asked."""

    value: Value | None = None
    unscored: str | None = None
    probability: float | None = None
    note: str | None = None


NOT_ASKED = Answer()


def applies(question: Question, answers: Mapping[str, Answer]) -> bool:
    """Whether the question is to be asked, by the answers so far; an unscored parent leaves it
    open, so that it is."""
    return all(
        name not in answers
        or answers[name].unscored is not None
        or matches(answers[name].value, value)
        for name, value in question.when.items()
    )


def merge_orders(first: Answer, second: Answer) -> Answer:
    """One preference from the answers to both orders of a pair: a tie if they differ."""
    if first.unscored is not None or second.unscored is not None:
        return first if first.unscored is not None else second
    turned = {"first": "second", "second": "first"}.get(str(second.value), "tie")
    note = "\n---\n".join(n for n in (first.note, second.note) if n) or None
    if first.value == turned:
        sure = [p for p in (first.probability, second.probability) if p is not None]
        return Answer(first.value, None, math.fsum(sure) / 2 if len(sure) == 2 else None, note)
    said = f"in this order {first.value}, in the other {turned}: a tie"
    return Answer("tie", note=f"{said}\n{note}" if note else said)
