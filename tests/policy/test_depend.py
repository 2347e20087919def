"""What follows from what, and what one labeller cannot say together."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from trueline.policy import pku
from trueline.policy.depend import applies, contradictions, resolve_answer
from trueline.policy.load import load
from trueline.policy.types import Policy
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    with_labels,
)

policy = load()
ann, bob = LabellerId("person", "ann"), LabellerId("person", "bob")
made = Example.new(
    [Message("user", "how?")], [Response((Message("assistant", text),)) for text in "abc"]
)


def said(*answers: tuple[Any, ...], by: LabellerId = ann, of: Example = made) -> Example:
    """`of` with labels; each answer is a question (or the id of one), its place and its value."""
    for question, about, value in answers:
        found = policy[question] if isinstance(question, str) else question
        of = with_labels(of, Label.new(of, found, about, by, value=value))
    return of


# ---- contradictions --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [policy, {q.id: q for q in (pku.SAFE, pku.SEVERITY, pku.HARM_CATEGORIES)}]
)
def test_every_combination_of_safety_severity_and_categories(words: Any) -> None:
    """The invariants written out: in the policy's own words and in those of imported labels."""
    for safe, severity, categories in itertools.product(
        (None, True, False), (None, 0, 1, 2, 3), (None, (), ("Drugs", "Cybercrime"))
    ):
        given = {"safe": safe, "severity": severity, "harm_categories": categories}
        example = said(*((words[id], (1,), v) for id, v in given.items() if v is not None))
        wrong = (safe is True and (severity is not None or categories is not None)) or (
            safe is False and severity == 0
        )
        assert bool(contradictions(example, policy)) == wrong, given


def test_every_combination_of_safety_and_the_safer_one() -> None:
    for first, second, safer in itertools.product(
        (None, True, False), (None, True, False), ("first", "second", "tie")
    ):
        places = (("safe", (0,), first), ("safe", (2,), second), ("safer", (0, 2), safer))
        example = said(*(place for place in places if place[2] is not None))
        wrong = (first, second) in ((True, False), (False, True)) and safer != (
            "first" if first else "second"
        )
        assert bool(contradictions(example, policy)) == wrong, (first, second, safer)


def test_the_place_is_named() -> None:
    assert contradictions(said(("safe", (1,), True), ("severity", (1,), 2)), policy) == [
        "response 1, severity = 2 by person ann: it is asked only if safe is false, and safe "
        "is true"
    ]
    assert contradictions(
        said(("safe", (0,), True), ("safe", (1,), False), ("safer", (0, 1), "tie")), policy
    ) == [
        "responses 0 and 1, safer = 'tie' by person ann: a safe response is safer than an unsafe "
        "one: safe is true of the first alone"
    ]


def test_others_and_other_responses_do_not_count() -> None:
    example = said(("safe", (0,), True))
    assert not contradictions(said(("severity", (1,), 2), of=example), policy)
    assert not contradictions(said(("severity", (0,), 2), by=bob, of=example), policy)
    judge, later = (LabellerId("judge", "ann", instrument) for instrument in ("1", "2"))
    assert not contradictions(
        said(("severity", (0,), 2), by=judge, of=said(("safe", (0,), True), by=later)), policy
    )
    failed = Label.new(example, policy["severity"], (0,), ann, unscored="time-out")
    assert not contradictions(with_labels(example, failed), policy)


@pytest.mark.parametrize(
    ("question", "about", "value", "why"),
    [
        ("safe", (0,), 1, "1 is none of true, false"),
        ("safe", (), True, "the question is about the response, and the label about []"),
        ("safe", (3,), True, "there are 3 responses"),
        ("severity", (0,), True, "true is none of 0, 1, 2, 3"),
        ("severity", (0,), 4, "4 is none of 0, 1, 2, 3"),
        ("severity", (0,), 2.0, "2.0 is none of 0, 1, 2, 3"),
        ("refusal", (0,), "refused", "'refused' is none of 'comply', 'partial', 'refuse'"),
        ("harm_categories", (0,), "Drugs", "'Drugs' is no list of options"),
        ("harm_categories", (0,), ("Gossip",), "'Gossip' is none of 'Endangering"),
        ("harm_categories", (0,), ("Cybercrime", "Drugs"), "each option once, in the question's"),
        ("harm_categories", (0,), ("Drugs", "Drugs"), "each option once, in the question's order"),
        ("preferred", (0, 1), "left", "'left' is none of 'first', 'second', 'tie'"),
        ("preferred", (1, 0), "first", "and the label about [1, 0]"),
        ("preferred", (1, 1), "first", "and the label about [1, 1]"),
        ("elicits_harm", (0,), True, "the question is about the prompt"),
    ],
)
def test_a_value_that_the_question_cannot_take(
    question: str, about: tuple[int, ...], value: Any, why: str
) -> None:
    places = about if max(about, default=0) < 3 else ()
    label = Label.new(made, policy[question], places, ann, value=value)
    label = msgspec.structs.replace(label, about=about)
    [found] = contradictions(with_labels(made, label), policy)
    assert why in found


def test_a_foreign_text_is_cut() -> None:
    [found] = contradictions(said(("refusal", (0,), "long " * 100)), policy)
    assert len(found) < 200


def test_numbers_are_numbers() -> None:
    number = Question(id="minutes", about="prompt", kind="number", ask="How long?")
    own = Policy({"minutes": number})
    assert not contradictions(said((number, (), 2.5), (number, (), 3)), own)
    for value in (float("nan"), True, "3"):
        assert contradictions(said((number, (), value)), own)


def test_other_words_may_have_another_scale_but_depend_all_the_same() -> None:
    tenth = Question(
        id="severity", about="response", kind="scale", ask="0-10?", levels=tuple(range(11))
    )
    assert not contradictions(said((tenth, (0,), 7), ("safe", (0,), False)), policy)
    assert contradictions(said((tenth, (0,), 7), ("safe", (0,), True)), policy)


def test_a_question_of_the_example_alone_is_held_to() -> None:
    question = Question(id="rhymes", about="response", kind="yes-no", ask="Does it rhyme?")
    example = Example.new(made.prompt, made.responses, questions=[question])
    assert not contradictions(said((question, (0,), True), of=example), policy)
    [found] = contradictions(said((question, (0,), "yes"), of=example), policy)
    assert "'yes' is none of true, false" in found


def test_a_hash_of_another_question_is_told() -> None:
    label = msgspec.structs.replace(
        Label.new(made, policy["safe"], (0,), ann, value=True), question="severity"
    )
    [found] = contradictions(with_labels(made, label), policy)
    assert "its hash is that of 'safe'" in found


def test_a_changed_answer_contradicts_nothing_that_one_of_its_values_allows() -> None:
    again = Label.new(made, policy["safe"], (0,), ann, value=False)
    example = with_labels(said(("safe", (0,), True)), again)
    assert not contradictions(said(("severity", (0,), 2), of=example), policy)


# ---- asked and resolved ----------------------------------------------------------------------


def test_asked() -> None:
    severity = policy["severity"]
    assert applies(policy["safe"], {})
    assert applies(severity, {"safe": False})
    for answers in ({}, {"safe": True}, {"safe": None}, {"safe": 0}):
        assert not applies(severity, answers)
    dose = Question(
        id="dose", about="response", kind="number", ask="?", when={"harm_categories": "Drugs"}
    )
    assert applies(dose, {"harm_categories": ("Violence", "Drugs")})
    assert not applies(dose, {"harm_categories": ("Violence",)})


def test_resolved() -> None:
    severity, categories = policy["severity"], policy["harm_categories"]
    safe = said(("safe", (0,), True))
    assert resolve_answer(safe, severity, (0,), ann) == 0
    assert resolve_answer(safe, categories, (0,), ann) == ()
    assert resolve_answer(safe, severity, (1,), ann) is None
    assert resolve_answer(safe, severity, (0,), bob) is None
    unsafe = said(("safe", (0,), False))
    assert resolve_answer(unsafe, severity, (0,), ann) is None
    assert resolve_answer(said(("severity", (0,), 3), of=unsafe), severity, (0,), ann) == 3
    failed = Label.new(made, policy["safe"], (0,), ann, unscored="time-out")
    assert resolve_answer(with_labels(made, failed), severity, (0,), ann) is None


def test_what_follows_from_what_follows() -> None:
    urgent = Question(
        id="urgent",
        about="response",
        kind="yes-no",
        ask="?",
        when={"severity": 3},
        otherwise=False,
    )
    safe = said(("safe", (0,), True))
    assert resolve_answer(safe, urgent, (0,), ann, policy) is False
    assert resolve_answer(safe, urgent, (0,), ann) is None
    assert resolve_answer(said(("severity", (0,), 3)), urgent, (0,), ann, policy) is None


def test_a_condition_on_the_prompt() -> None:
    fooled = Question(
        id="fooled",
        about="response",
        kind="yes-no",
        ask="?",
        when={"instruction_trusted": False},
        otherwise=False,
    )
    trusted = said(("instruction_trusted", (), True))
    own = Policy({**policy, "fooled": fooled})
    assert resolve_answer(trusted, fooled, (2,), ann, own) is False
    assert contradictions(said((fooled, (2,), True), of=trusted), own)
