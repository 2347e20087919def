"""Which of several statements counts: one rule, whatever the order in which they are read."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from trueline.records.labels import effective_labels
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    Retracted,
    Unscored,
    with_writer,
)

SAFE = Question("safe", "response", "yes-no", "Is it safe?")
EXAMPLE = Example.new(
    [Message("user", "Is it?")],
    [Response((Message("assistant", text),)) for text in ("yes", "no", "no")],
)
JUDGE = LabellerId("judge", "judge", "aa" * 16)
ADA = LabellerId("person", "Ada")


def state(
    value: object,
    sequence: int,
    writer: str = "one",
    by: LabellerId = JUDGE,
    about: tuple[int, ...] = (0,),
    question: Question = SAFE,
) -> Label:
    """Statement number `sequence` of a writer; text is the reason for an unscored one, None a
    retraction."""
    unscored = value if isinstance(value, str) else None
    answer = value if isinstance(value, bool) else None
    label = Label.new(
        EXAMPLE, question, about, by, value=answer, unscored=unscored, retracted=value is None
    )
    return with_writer(label, writer, sequence)


def outcome(*labels: Label) -> list[object]:
    """What counts, in every order in which the statements can be read: one result."""
    results = {effective_labels(several) for several in permutations(labels)}
    assert len(results) == 1
    return [label.outcome for label in results.pop()]


def test_an_answer_replaces_unscored_whatever_the_order() -> None:
    assert outcome(state("time-out", 1), state(True, 2, "two")) == [True]
    assert outcome(state(True, 1), state("time-out", 2)) == [True]
    assert outcome(state("time-out", 1), state("refused", 2)) == [Unscored("refused")]


def test_the_last_answer_counts() -> None:
    assert outcome(state(True, 1), state(False, 2)) == [False]
    assert outcome(state(False, 1), state(True, 2), state("time-out", 3)) == [True]
    assert outcome(state(True, 1, "two"), state(False, 1, "one")) == [True]


def test_time_decides_nothing() -> None:
    early = msgspec.structs.replace(state(True, 2), time="2020-01-01")
    late = msgspec.structs.replace(state(False, 1), time="2030-01-01")
    assert outcome(early, late) == [True]


def test_a_retraction_ends_what_stands_before_it_and_nothing_after_it() -> None:
    assert outcome(state(True, 1), state(None, 2)) == []
    assert outcome(state("time-out", 1), state(True, 2), state(None, 3)) == []
    assert outcome(state(True, 1), state(None, 2), state(False, 3)) == [False]
    assert outcome(state(True, 1), state(None, 2), state("time-out", 3)) == [Unscored("time-out")]
    assert outcome(state(True, 3, "two"), state(None, 2, "one")) == [True]
    assert outcome(state(None, 1)) == []


def test_everything_at_once_by_two_writers() -> None:
    said = (
        state(True, 1, "one"),
        state("time-out", 2, "two"),
        state(False, 3, "two"),
        state(None, 4, "one"),
        state("time-out", 5, "two"),
        state(True, 6, "one"),
    )
    expected = [[True], [True], [False], [], [Unscored("time-out")], [True]]
    for count, wanted in enumerate(expected, 1):
        assert outcome(*said[:count]) == wanted


def test_a_retraction_is_of_its_own_labeller_question_and_texts() -> None:
    other = msgspec.structs.replace(SAFE, ask="Is it harmless?")
    kept = (
        state(True, 1, by=ADA),
        state(True, 2, about=(1,)),
        state(True, 3, about=(2,)),
        state(False, 4, question=other),
    )
    assert outcome(*kept, state(True, 5), state(None, 6)) == [True, True, True, False]


def test_equal_responses_are_two_things() -> None:
    first, second = state(True, 1, about=(1,)), state(False, 2, about=(2,))
    assert first.texts == second.texts
    assert outcome(first, second) == [True, False]


def test_turns_are_things_of_their_own() -> None:
    turns = [Label.new(EXAMPLE, SAFE, (0,), ADA, value=True, turn=at) for at in (0, 1)]
    assert len(effective_labels(turns)) == 2


def test_a_higher_version_supersedes_a_lower_one() -> None:
    old, new = LabellerId("judge", "j", "aa", 1), LabellerId("judge", "j", "bb", 2)
    assert outcome(state(True, 9, by=old), state(False, 1, by=new)) == [False]
    assert outcome(state(True, 9, by=old), state("time-out", 1, by=new)) == [Unscored("time-out")]
    assert outcome(state(True, 1, by=new), state(None, 9, by=old)) == [True]
    assert outcome(state(True, 9, by=old), state(None, 1, by=new)) == []


def test_instruments_of_equal_or_unknown_version_are_different_labellers() -> None:
    for version in (None, 1):
        first, second = (LabellerId("judge", "j", name, version) for name in ("aa", "bb"))
        assert outcome(state(True, 1, by=first), state(False, 2, by=second)) == [True, False]
    unknown, versioned = LabellerId("judge", "j", "aa"), LabellerId("judge", "j", "aa", 3)
    assert outcome(state(True, 1, by=unknown), state(False, 2, by=versioned)) == [True, False]


def test_labels_that_are_not_stored_yet_are_ordered_by_their_list() -> None:
    yes, no = (Label.new(EXAMPLE, SAFE, (0,), ADA, value=value) for value in (True, False))
    failed = Label.new(EXAMPLE, SAFE, (0,), ADA, unscored="late")
    assert effective_labels([yes, no]) == (no,)
    assert effective_labels([no, yes, failed]) == (yes,)
    stored = state(False, 1, by=ADA)
    assert effective_labels([stored, yes]) == effective_labels([yes, stored]) == (stored,)


def test_a_label_that_is_read_twice_counts_once() -> None:
    label = state(True, 1)
    later = msgspec.structs.replace(label, time="2030-01-01")
    assert len(effective_labels([label, later, label])) == 1


def test_different_statements_never_share_an_id() -> None:
    said = [
        state(True, 1),
        state(False, 1),
        state("time-out", 1),
        state("refused", 1),
        state(None, 1),
        state(True, 2),
        state(True, 1, "two"),
        state(True, 1, by=ADA),
        state(True, 1, about=(1,)),
        state(True, 1, about=(2,)),
        Label.new(EXAMPLE, SAFE, (0,), JUDGE, value=1),
        Label.new(EXAMPLE, SAFE, (0,), JUDGE, value=True),
        Label.new(EXAMPLE, SAFE, (0,), JUDGE, value=True, probability=0.5),
        Label.new(EXAMPLE, SAFE, (0,), JUDGE, value=True, turn=0),
        Label.new(EXAMPLE, SAFE, (0,), JUDGE, value=True, note="of 3 answers"),
    ]
    assert len({label.id for label in said}) == len(said)
    again = Label.new(EXAMPLE, SAFE, (0,), JUDGE, value=True, time="2026-01-01")
    assert again.id == Label.new(EXAMPLE, SAFE, (0,), JUDGE, value=True).id


def test_what_a_label_says() -> None:
    assert state(False, 1).outcome is False
    assert state("time-out", 1).outcome == Unscored("time-out")
    assert Label.new(EXAMPLE, SAFE, (0,), ADA, retracted=True, note="misread").outcome == Retracted(
        "misread"
    )
    for several in ({}, {"value": True, "unscored": "late"}, {"value": True, "retracted": True}):
        with pytest.raises(ValueError, match="needs one of a value, the reason"):
            Label.new(EXAMPLE, SAFE, (0,), ADA, **several)
