"""The question that preference data answers, and labels on pairs of responses."""

from __future__ import annotations

import msgspec

from trueline.records.types import Example, Label, LabellerId, Question

PREFERRED = Question(
    id="preferred", about="pair", kind="preference", ask="Which response is better?"
)
"""About an ordered pair of responses; its values are "first", "second" and "tie"."""

_turned = {"first": "second", "second": "first"}


def preference_label(
    example: Example,
    chosen: int,
    rejected: int,
    by: LabellerId,
    question: Question = PREFERRED,
) -> Label:
    """The label that prefers response number `chosen` to number `rejected`.

    It is about the pair in ascending order, so that labellers who agree give equal values.
    """
    about = (min(chosen, rejected), max(chosen, rejected))
    value = "first" if chosen < rejected else "second"
    return Label.new(example, question, about, by, value=value)


def in_order(label: Label) -> Label:
    """The label, about its pair in ascending order; other labels as they are."""
    if len(label.about) == 2 and label.about[0] > label.about[1]:
        value = _turned.get(str(label.value), label.value)
        return msgspec.structs.replace(label, about=label.about[::-1], value=value)
    return label
