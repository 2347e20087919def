"""Which response is better: the one question that preference data answers, and how it is read."""

from __future__ import annotations

from trueline.records import ids
from trueline.records.types import By, Example, Label, Question, Response

PREFERRED = Question(
    id="preferred", about="pair", kind="preference", ask="Which response is better?"
)
"""About an ordered pair of responses; its values are "first", "second" and "tie"."""


def preference_label(example: Example, chosen: int, rejected: int, by: By) -> Label:
    """The label that prefers response number `chosen` to number `rejected`.

    It is about the pair in ascending order, so that labellers who agree give equal values.
    """
    about = (min(chosen, rejected), max(chosen, rejected))
    value = "first" if chosen < rejected else "second"
    return ids.label(example, PREFERRED, about, by, value=value)


def decided(example: Example) -> tuple[int, int] | str:
    """The numbers of the chosen and the rejected response, or why there is no decision.

    Derived labels (a stored rule has weighed the others) decide where there are any, else all
    that have a value do; they must agree on one pair.  A tie is no decision, a disagreement
    neither: a rule that resolves them adds a derived label.
    """
    labels = [
        label
        for label in example.labels
        if label.question == PREFERRED.id and label.value is not None
    ]
    found = {_order(x) for x in [x for x in labels if x.by.kind == "derived"] or labels}
    if not found:
        return "no preference is labelled"
    if len(found) > 1:
        return "the preference labels disagree, or prefer in more than one pair"
    (order,) = found
    return "the preference is a tie" if order is None else order


def pair(example: Example) -> tuple[Response, Response] | None:
    """The chosen and the rejected response; None where `decided` gives a reason instead."""
    order = decided(example)
    if isinstance(order, str):
        return None
    return example.responses[order[0]], example.responses[order[1]]


def _order(label: Label) -> tuple[int, int] | None:
    first, second = label.about
    return {"first": (first, second), "second": (second, first)}.get(str(label.value))
