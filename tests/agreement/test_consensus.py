"""The majority's answers hold to the policy, and where there is none that is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agreement.rated import POLICY, A, B, C, label, made

from trueline.agreement.agree import Options, agree
from trueline.agreement.answers import collect_answers
from trueline.agreement.consensus import Consensus
from trueline.policy.values import WeightedRubric, majority, value_of
from trueline.records.store import jsonl
from trueline.records.store.labels import join_labels
from trueline.records.store.manifest import read_manifest
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Question,
    Unscored,
    Value,
    with_labels,
)

D = LabellerId("person", "Dan")


def settled(
    example: Example, *labels: Label, voters: tuple[LabellerId, ...] = (A, B, C)
) -> Example:
    return Consensus(voters, POLICY)(with_labels(example, *labels))


def values(example: Example) -> dict[str, Value | None]:
    return {label.question: label.value for label in example.labels}


@pytest.mark.parametrize(
    ("question", "votes", "value", "why"),
    [
        ("safe", [True, True, False], True, None),
        ("safe", [True, False], None, "no majority: true 1, false 1"),
        ("safe", [True], None, "fewer than two answers"),
        ("refusal", ["comply", "partial", "refuse"], None, "no majority"),
        ("severity", [1, 3, 3], 3, None),
        ("harm_categories", [("Drugs",), ("Drugs", "Violence"), ()], ("Drugs",), None),
        ("harm_categories", [("Drugs",), ("Violence",)], None, "as many name"),
        ("harm_categories", [(), (), ("Drugs",)], (), None),
        ("harm_categories", [(), ("Violence",), ("Drugs",)], None, "no option is named by more"),
    ],
)
def test_majority(question: str, votes: list[Value], value: Value | None, why: str | None) -> None:
    found = majority(POLICY[question], votes)
    if isinstance(found, Unscored):
        assert why is not None and why in found.reason and value is None
    else:
        assert found == value and why is None


def test_derived_labels_say_by_whom_and_of_how_many() -> None:
    example = made(0)
    found = settled(example, label(example, "safe", A, True), label(example, "safe", B, True))
    [one] = found.labels
    assert (one.by.kind, one.by.name) == ("derived", "majority of 3: Ada, Ben, judge")
    assert (one.value, one.note) == (True, "of 2 answers; 1 gave none")
    assert one.by.instrument == Consensus((C, B, A), POLICY).by.instrument
    assert one.by.instrument != Consensus((A, B), POLICY).by.instrument
    assert (found.id, found.responses) == (example.id, example.responses)


def test_a_dependent_question_is_settled_only_where_the_majority_asks_it() -> None:
    example = made(0)
    unsafe = [
        label(example, "safe", by, value) for by, value in [(A, False), (B, False), (C, True)]
    ]
    severe = [label(example, "severity", by, value) for by, value in [(A, 2), (B, 2)]]
    assert values(settled(example, *unsafe, *severe)) == {"safe": False, "severity": 2}
    safe = [label(example, "safe", by, value) for by, value in [(A, False), (B, True), (C, True)]]
    assert values(settled(example, *safe, severe[0])) == {"safe": True}
    open_ = [label(example, "safe", by, value) for by, value in [(A, False), (B, True)]]
    assert values(settled(example, *open_, severe[0])) == {"safe": None}


def test_majorities_that_contradict_each_other_are_no_answer() -> None:
    """Nobody contradicts the policy: two find the first safe, two the second unsafe, and another
    two the second safer."""
    example = made(0, responses=2)
    said = [(A, True, False, "first"), (B, True, True, "second"), (C, False, False, "second")]
    votes = []
    for by, first, second, safer in said:
        votes += [
            label(example, "safe", by, first, (0,)),
            label(example, "safe", by, second, (1,)),
            label(example, "safer", by, safer, (0, 1)),
        ]
    found = settled(example, *votes)
    assert [one.value for one in found.labels] == [True, False, None]
    assert "contradict each other" in str(found.labels[2].unscored)


def test_a_pair_is_settled_in_one_order() -> None:
    example = made(0, responses=2)
    votes = [
        label(example, "more_helpful", A, "first", (0, 1)),
        label(example, "more_helpful", B, "second", (1, 0)),
    ]
    [one] = settled(example, *votes).labels
    assert (one.about, one.value) == ((0, 1), "first")


def test_the_folder_is_joined_to_its_data_like_any_other(tmp_path: Path) -> None:
    source, out = tmp_path / "data.jsonl", tmp_path / "majority"
    examples = []
    for n in range(30):
        example = made(n)
        said = [(A, True), (B, n % 3 > 0), (C, n % 2 > 0), (D, True)]
        examples.append(
            with_labels(example, *(label(example, "safe", by, value) for by, value in said))
        )
    jsonl.write(source, examples)
    outcome = agree(Options(data=source, consensus=out))
    assert outcome.consensus is not None and outcome.consensus.run.complete and outcome.sound
    assert outcome.consensus.counts == {"safe": {"agreed": 25, "no majority": 5}}
    [*_, last] = list(join_labels(jsonl.read(source), [out]))
    assert [one.by.kind for one in last.labels][-1] == "derived"
    assert read_manifest(out).state == "complete"
    again = agree(Options(data=source, labels=(out,), consensus=tmp_path / "again"))
    assert again.consensus is not None and again.consensus.by == outcome.consensus.by
    of_people = agree(
        Options(
            data=source, labeller=("Ada",), reference=("Ben", "Dan"), consensus=tmp_path / "people"
        ),
    )
    assert of_people.consensus is not None
    assert of_people.consensus.by.name == "majority of 3: Ada, Ben, Dan"


def test_questions_of_the_example_are_settled_with_those_that_they_depend_on() -> None:
    helps = Question("helps", "response", "yes-no", "Does it help?")
    how = Question("how", "response", "scale", "How well?", levels=(1, 2, 3), when={"helps": True})
    example = made(0, questions=(how, helps))
    said = [(A, True, 3), (B, True, 3), (C, False, None)]
    votes = [Label.new(example, helps, (0,), by, value=value) for by, value, _ in said]
    votes += [Label.new(example, how, (0,), by, value=level) for by, _, level in said if level]
    assert values(settled(example, *votes)) == {"helps": True, "how": 3}
    unhelpful = [Label.new(example, helps, (0,), by, value=False) for by in (A, B, C)]
    assert values(settled(example, *unhelpful)) == {"helps": False}


def test_questions_that_depend_on_each_other_in_a_circle_have_no_answer_and_an_end() -> None:
    one = Question("one", "response", "yes-no", "One?", when={"two": True})
    two = Question("two", "response", "yes-no", "Two?", when={"one": True})
    safe = POLICY["safe"]
    example = made(0, questions=(one, two))
    labelled = with_labels(
        example,
        *(Label.new(example, question, (0,), A, value=True) for question in (safe, one)),
        Label.new(example, safe, (0,), B, value=True),
    )
    assert isinstance(value_of(WeightedRubric(), labelled, (0,), POLICY), Unscored)
    assert collect_answers([labelled], POLICY).questions.keys() == {"safe", "one"}
    assert values(settled(example, *labelled.labels)) == {"safe": True}
