"""Which response is better: the one question that preference data answers, and how it is read."""

from __future__ import annotations

from collections.abc import Iterable

from trueline.records.types import Example, Label, LabellerId, Question, Response, Value

PREFERRED = Question(
    id="preferred", about="pair", kind="preference", ask="Which response is better?"
)
"""About an ordered pair of responses; its values are "first", "second" and "tie"."""


class Unsettled(ValueError):
    """Labels that answer one question differently; a rule that resolves them adds a derived one."""


def preference_label(
    example: Example, chosen: int, rejected: int, by: LabellerId, question: Question = PREFERRED
) -> Label:
    """The label that prefers response number `chosen` to number `rejected`.

    It is about the pair in ascending order, so that labellers who agree give equal values.
    """
    about = (min(chosen, rejected), max(chosen, rejected))
    value = "first" if chosen < rejected else "second"
    return Label.new(example, question, about, by, value=value)


def decided(example: Example, question: str = PREFERRED.id) -> tuple[int, int] | str:
    """The numbers of the chosen and the rejected response, or why there is no decision.

    `question` is the id of the preference question that decides: data of dual preference answers
    "more_helpful" and "safer" and leaves "preferred" open.  Derived labels (a stored rule has
    weighed the others) decide where there are any, else all that have a value do; they must agree
    on one pair.  A tie is no decision, a disagreement neither: a rule that resolves them adds a
    derived label.
    """
    found = {_order(x) for x in _deciding(x for x in example.labels if x.question == question)}
    if not found:
        return _none(example, question)
    if len(found) > 1:
        return "the preference labels disagree, or prefer in more than one pair"
    (order,) = found
    return "the preference is a tie" if order is None else order


def agreed(example: Example, question: str, about: tuple[int, ...]) -> Value | None:
    """The answer to a question about the prompt or a response that its labels give, weighed as
    `decided` does; None where there is none.  Raises Unsettled where they differ."""
    labels = (x for x in example.labels if (x.question, x.about) == (question, about))
    values = list(dict.fromkeys(label.value for label in _deciding(labels)))
    if len(values) > 1:
        raise Unsettled(f"the labels on {question!r} differ")
    return values[0] if values else None


def prefer(example: Example, question: str) -> Label | str:
    """The derived label by which the preference question of this id decides which response is
    better, or why it does not decide."""
    order = decided(example, question)
    if isinstance(order, str):
        return order
    return preference_label(example, *order, LabellerId("derived", f"prefer {question}"))


def pair(example: Example) -> tuple[Response, Response] | None:
    """The chosen and the rejected response; None where `decided` gives a reason instead."""
    order = decided(example)
    if isinstance(order, str):
        return None
    return example.responses[order[0]], example.responses[order[1]]


def _deciding(labels: Iterable[Label]) -> list[Label]:
    """Those with a value, or of them those that a rule derived, where there are any."""
    found = [label for label in labels if label.value is not None]
    return [label for label in found if label.by.kind == "derived"] or found


def _none(example: Example, question: str) -> str:
    kind = "" if question == PREFERRED.id else f"{question!r} "
    others = {x.question for x in example.labels if x.value in ("first", "second", "tie")}
    if not others - {question}:
        return f"no {kind}preference is labelled"
    named = " and ".join(sorted(others - {question}))
    return f"no {kind}preference is labelled, but {named}: convert --prefer lets one of them decide"


def _order(label: Label) -> tuple[int, int] | None:
    first, second = label.about
    return {"first": (first, second), "second": (second, first)}.get(str(label.value))
