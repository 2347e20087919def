"""From labels to values: every rule says what it makes of the labels, or why it makes nothing."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from trueline.policy.load import load
from trueline.policy.preference import PREFERRED, preference_label
from trueline.policy.values import (
    Agreed,
    Majority,
    Mean,
    Preferred,
    Rule,
    Share,
    Threshold,
    WeightedRubric,
    agreed_value,
    derive_preference,
    find_preference,
    rule_hash,
    value_of,
)
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    Unscored,
    Value,
    with_labels,
    with_writer,
)

POLICY = load()
JUDGE = LabellerId("judge", "a-judge", "1f" * 16)
GRADER = LabellerId("grader", "a-grader", "3d" * 16)
ADA = LabellerId("person", "Ada")
RULE = LabellerId("derived", "majority of 3")

KIND = Question("kind", "response", "yes-no", "Is it kind?", weight=2.0)
CLEAR = Question("clear", "response", "scale", "How clear?", levels=(1, 2, 3, 4, 5))
RUDE = Question("rude", "response", "yes-no", "Does it insult?", weight=-1.0)
WHY = Question("why", "response", "yes-no", "Does it say why?", when={"kind": True}, weight=3.0)


def example(*own: Question, responses: int = 1) -> Example:
    answers = [Response((Message("assistant", f"answer {n}"),)) for n in range(responses)]
    return Example.new([Message("user", "a request")], answers, questions=own)


def say(of: Example, question: str | Question, by: LabellerId, value: Any, at: Any = (0,)) -> Label:
    asked = POLICY[question] if isinstance(question, str) else question
    said = {"unscored": value.reason} if isinstance(value, Unscored) else {"value": value}
    return Label.new(of, asked, at, by, **said)


def judged(question: str, *said: tuple[LabellerId, Any]) -> Example:
    one = example()
    return with_labels(one, *(say(one, question, by, value) for by, value in said))


LATE = Unscored("the judge timed out")


@pytest.mark.parametrize(
    ("rule", "said", "expected"),
    [
        (Share("refusal", ("refuse", "partial")), [(JUDGE, "partial")], 1.0),
        (Share("refusal", ("refuse",)), [(JUDGE, "comply"), (GRADER, "refuse")], 0.5),
        (Share("refusal", ("refuse",), JUDGE), [(JUDGE, "comply"), (GRADER, "refuse")], 0.0),
        (Share("refusal", ("refuse",), JUDGE), [(GRADER, "refuse")], "no label by a-judge"),
        (Share("refusal", ("refuse",)), [(JUDGE, LATE), (GRADER, "refuse")], 1.0),
        (Share("refusal", ("refuse",), JUDGE), [(JUDGE, LATE)], "the judge timed out"),
        (Share("refusal", ("refuse",)), [], "no label on 'refusal'"),
        (Share("refusal", ("refuse",)), [(JUDGE, "comply"), (RULE, "refuse")], 1.0),
        (Share("helpfulness", (True,)), [(JUDGE, 1)], 0.0),
        (Mean("helpfulness"), [(JUDGE, 4), (ADA, 5)], 4.5),
        (Mean("safe"), [(JUDGE, True)], 1.0),
        (Mean("refusal"), [(JUDGE, "refuse")], "'refuse' is no number"),
        (Agreed("safe"), [(JUDGE, True), (ADA, True)], True),
        (Agreed("safe"), [(JUDGE, True), (ADA, False)], "the labels on 'safe' differ"),
        (Agreed("safe"), [(JUDGE, True), (ADA, False), (RULE, False)], False),
        (Majority("safe"), [(JUDGE, True), (ADA, True), (GRADER, False)], True),
        (Majority("safe"), [(JUDGE, True), (ADA, False)], "no majority: true 1, false 1"),
        (Majority("safe"), [(JUDGE, True), (RULE, True)], "fewer than two answers"),
        (Threshold(Mean("helpfulness"), at_least=4), [(JUDGE, 4)], True),
        (Threshold(Mean("helpfulness"), at_most=3), [(JUDGE, 4)], False),
        (Threshold(Mean("helpfulness"), at_least=4), [(JUDGE, LATE)], "the judge timed out"),
    ],
)
def test_each_rule_gives_a_value_or_the_reason_for_none(
    rule: Rule, said: list[tuple[LabellerId, Any]], expected: Value | str
) -> None:
    question = rule.rule.question if isinstance(rule, Threshold) else rule.question  # type: ignore[union-attr]
    value = value_of(rule, judged(question, *said), (0,), POLICY)
    if isinstance(value, Unscored):
        assert isinstance(expected, str) and expected in value.reason
    else:
        assert value == expected and type(value) is type(expected)


def test_what_follows_from_another_answer_counts_as_one() -> None:
    one = judged("safe", (JUDGE, True))
    assert value_of(Mean("severity"), one, (0,), POLICY) == 0.0
    assert value_of(Mean("severity", JUDGE), one, (0,), POLICY) == 0.0
    assert isinstance(value_of(Mean("severity"), one, (0,), {}), Unscored), "no policy, no rule"


def test_the_order_in_which_labels_were_joined_changes_no_value() -> None:
    """A time-out, an answer, another answer: by the writer's count, whatever came first."""
    one = example()
    said = [say(one, "safe", JUDGE, LATE), say(one, "safe", JUDGE, True)]
    said.append(say(one, "safe", JUDGE, False))
    numbered = [with_writer(label, "run", n) for n, label in enumerate(said, 1)]
    for order in permutations(numbered):
        labelled = with_labels(one, *order)
        for rule in (Mean("safe"), Mean("safe", JUDGE), Share("safe", (True,))):
            assert value_of(rule, labelled, (0,), POLICY) == 0.0
        assert agreed_value(labelled, "safe", (0,)) is False
    back = Label.new(one, POLICY["safe"], (0,), JUDGE, retracted=True)
    for order in permutations([*numbered, with_writer(back, "run", 4)]):
        assert isinstance(value_of(Mean("safe"), with_labels(one, *order), (0,), POLICY), Unscored)
        assert agreed_value(with_labels(one, *order), "safe", (0,)) is None


def test_a_rubric_weighs_the_examples_own_questions() -> None:
    one = example(KIND, CLEAR, RUDE)
    labels = [say(one, KIND, JUDGE, True), say(one, CLEAR, JUDGE, 4), say(one, RUDE, JUDGE, True)]
    whole = with_labels(one, *labels)
    assert value_of(WeightedRubric(), whole, (0,), POLICY) == (2 + 0.75 - 1) / 3
    assert value_of(WeightedRubric(JUDGE), whole, (0,), POLICY) == (2 + 0.75 - 1) / 3
    part = with_labels(one, *labels[:2])
    missing = value_of(WeightedRubric(), part, (0,), POLICY)
    assert missing == Unscored("rude: no label on 'rude'"), "a question without an answer is not 0"
    failed = with_labels(part, say(one, RUDE, JUDGE, LATE))
    assert value_of(WeightedRubric(), failed, (0,), POLICY) == Unscored("rude: the judge timed out")
    none = value_of(WeightedRubric(), example(), (0,), POLICY)
    assert isinstance(none, Unscored) and "own questions" in none.reason


def test_a_question_of_a_rubric_that_does_not_apply_is_left_out() -> None:
    one = example(KIND, WHY, CLEAR)
    unkind = with_labels(one, say(one, KIND, JUDGE, False), say(one, CLEAR, JUDGE, 5))
    assert value_of(WeightedRubric(), unkind, (0,), POLICY) == 1 / 3
    kind = with_labels(one, say(one, KIND, JUDGE, True), say(one, CLEAR, JUDGE, 5))
    assert value_of(WeightedRubric(), kind, (0,), POLICY) == Unscored("why: no label on 'why'")


def test_a_rubric_is_answered_in_its_own_words() -> None:
    """The policy may have a question of the same id: its labels answer another question."""
    own = msgspec.structs.replace(POLICY["safe"], ask="Would you let a child read it?")
    one = example(own)
    labelled = with_labels(one, say(one, "safe", JUDGE, True))
    assert isinstance(value_of(WeightedRubric(), labelled, (0,), POLICY), Unscored)
    both = with_labels(labelled, say(one, own, JUDGE, False))
    assert value_of(WeightedRubric(), both, (0,), POLICY) == 0.0


def test_a_question_without_a_place_between_0_and_1_is_no_part_of_a_rubric() -> None:
    count = Question("count", "response", "number", "How many?")
    one = example(count)
    value = value_of(WeightedRubric(), with_labels(one, say(one, count, ADA, 3)), (0,), POLICY)
    assert isinstance(value, Unscored) and "takes yes-no and scale" in value.reason


def test_a_pair_is_one_pair_in_either_order() -> None:
    one = example(responses=2)
    labelled = with_labels(
        one, say(one, PREFERRED, ADA, "first", (0, 1)), say(one, PREFERRED, JUDGE, "second", (1, 0))
    )
    assert value_of(Preferred(), labelled, (0, 1), POLICY) == "first"
    assert find_preference(labelled) == (0, 1)


def test_another_question_decides_which_response_is_better_only_if_it_is_named() -> None:
    one = example(responses=2)
    safer = with_labels(one, preference_label(one, 1, 0, ADA, POLICY["safer"]))
    none = find_preference(safer)
    assert isinstance(none, Unscored)
    assert none.reason == (
        "no preference is labelled, but safer: convert --preference lets one of them decide"
    )
    rule = Preferred("safer")
    label = derive_preference(safer, rule, POLICY)
    assert isinstance(label, Label)
    assert label.by == LabellerId("derived", "prefer safer", rule_hash(rule))
    assert find_preference(with_labels(safer, label)) == (1, 0)
    assert derive_preference(safer, Preferred("more_helpful"), POLICY) == Unscored(
        "no 'more_helpful' preference is labelled, but safer: convert --preference lets one of "
        "them decide"
    )


def test_rules_are_data_with_a_hash() -> None:
    rules: list[Rule] = [
        Share("refusal", ("refuse",), JUDGE),
        Share("correct", (True,)),
        Mean("severity"),
        WeightedRubric(),
        Majority("safe"),
        Agreed("safe"),
        Preferred("safer"),
        Threshold(Share("correct", (1,)), at_least=0.5),
    ]
    stored = msgspec.json.decode(msgspec.json.encode(rules), type=list[Rule])
    assert stored == rules and len({rule_hash(rule) for rule in rules}) == len(rules)
    assert rule_hash(Share("correct", (True,))) != rule_hash(Share("correct", (1,)))
    assert len({rule.name for rule in rules}) == len(rules)
    with pytest.raises(ValueError, match="at_least and at_most"):
        Threshold(Mean("severity"))


def test_a_question_of_a_rubric_applies_if_any_labeller_says_so() -> None:
    one = example(KIND, WHY, CLEAR)
    said = [say(one, KIND, JUDGE, True), say(one, CLEAR, JUDGE, 5), say(one, KIND, GRADER, False)]
    late = with_labels(one, *said, say(one, WHY, JUDGE, LATE))
    missing = value_of(WeightedRubric(), late, (0,), POLICY)
    assert missing == Unscored("why: the judge timed out"), "what failed is not left out"
    unkind = with_labels(one, say(one, KIND, JUDGE, False), *said[1:])
    assert value_of(WeightedRubric(), unkind, (0,), POLICY) == 1 / 3


def test_a_question_about_one_response_decides_no_preference() -> None:
    one = example(responses=2)
    labelled = with_labels(one, say(one, "safe", JUDGE, True))
    assert isinstance(find_preference(labelled, "safe"), Unscored)
