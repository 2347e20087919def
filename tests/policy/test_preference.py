"""The preference of an Example is read by one stated rule."""

from __future__ import annotations

import pytest

from trueline.policy.preference import PREFERRED, preference_label
from trueline.policy.values import find_preference, preferred_responses
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Response,
    Unscored,
    with_labels,
)

a, b, c = (Response((Message("assistant", text),)) for text in "abc")
example = Example.new([Message("user", "which?")], [a, b, c])
person, other, rule = (
    LabellerId("person", "p"),
    LabellerId("judge", "j"),
    LabellerId("derived", "consensus"),
)
tie = Label.new(example, PREFERRED, (0, 1), person, value="tie")
unscored = Label.new(example, PREFERRED, (0, 1), person, unscored="time-out")


def prefer(chosen: int, rejected: int, by: LabellerId = person) -> Label:
    return preference_label(example, chosen, rejected, by)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([prefer(1, 0)], (1, 0)),
        ([prefer(0, 2), prefer(0, 2, other)], (0, 2)),
        ([prefer(0, 1), prefer(1, 0, other), prefer(1, 0, rule)], (1, 0)),
        ([prefer(0, 1), unscored], (0, 1)),
        ([], "no preference is labelled"),
        ([unscored], "no preference is labelled"),
        ([tie], "the preference is a tie"),
        ([prefer(0, 1), prefer(1, 0, other)], "the preference labels disagree"),
        ([prefer(0, 1), prefer(1, 2, other)], "the preference labels disagree"),
    ],
)
def test_the_chosen_and_the_rejected_response_or_why_there_is_no_decision(
    labels: list[Label], expected: tuple[int, int] | str
) -> None:
    found = find_preference(with_labels(example, *labels))
    chosen = preferred_responses(with_labels(example, *labels))
    if isinstance(expected, str):
        assert isinstance(found, Unscored)
        assert found.reason.startswith(expected)
        assert chosen is None
    else:
        assert found == expected
        assert chosen == tuple(example.responses[i] for i in expected)


def test_who_agrees_gives_equal_values() -> None:
    label = prefer(2, 0)
    assert (label.about, label.value) == ((0, 2), "second")
    assert prefer(0, 2).about == (0, 2)
