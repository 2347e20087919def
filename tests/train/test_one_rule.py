"""One value rule is a metric, a preference and a reward."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from trueline.evaluate.benchmarks.items import TAG
from trueline.evaluate.results import Metric
from trueline.evaluate.scores import gather, summarise
from trueline.policy.load import load
from trueline.policy.values import (
    NumberRule,
    Share,
    WeightedRubric,
    derive_preference,
    find_preference,
)
from trueline.records.store import dataset
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    Unscored,
    with_labels,
    with_responses,
)
from trueline.train.rewards import reward_values

POLICY = load()
JUDGE = LabellerId("judge", "a-judge", "1f" * 16)
KIND = Question("kind", "response", "yes-no", "Is it kind?", weight=3.0)
CLEAR = Question("clear", "response", "scale", "How clear?", levels=(1, 2, 3, 4, 5))
SAID = {"good": (True, 5), "fair": (True, 1), "bad": (False, 1)}


def scenario(number: int) -> Example:
    asked = [Message("user", f"a request {number}")]
    return Example.new(asked, questions=(KIND, CLEAR), tags=(f"{TAG}:kindness",))


def answer(example: Example, text: str) -> Example:
    """The scenario with one more answer, and what the judge says of it."""
    example = with_responses(example, Response((Message("assistant", text),)))
    at = (len(example.responses) - 1,)
    labels = [
        Label.new(example, question, at, JUDGE, value=value)
        for question, value in zip((KIND, CLEAR), SAID.get(text, ()), strict=False)
    ]
    failed = Label.new(example, KIND, at, JUDGE, unscored="the judge timed out")
    return with_labels(example, *(labels or [failed]))


@pytest.mark.parametrize(
    ("rule", "worth"),
    [
        (WeightedRubric(JUDGE), {"good": 1.0, "fair": 0.75, "bad": 0.0}),
        (WeightedRubric(), {"good": 1.0, "fair": 0.75, "bad": 0.0}),
        (Share("kind", (True,), JUDGE), {"good": 1.0, "fair": 1.0, "bad": 0.0}),
    ],
)
def test_one_rule_is_metric_preference_and_reward(
    tmp_path: Path, rule: NumberRule, worth: dict[str, float]
) -> None:
    texts = ["good", "fair", "bad", "lost"]
    single = [answer(scenario(n), text) for n, text in enumerate(texts)]

    rewards = reward_values(rule, single, POLICY)
    assert rewards == [*worth.values(), None], "a judge that failed is no reward of 0"

    writer = dataset.Writer(tmp_path / "results")
    for example in single:
        writer.add(example)
    writer.close(complete=True)
    metric = Metric("kindness", "judge", rule, "higher")
    [scores] = gather(tmp_path / "results", [metric], POLICY).values()
    assert [scores.items[e.id].score for e in single] == rewards
    measured = summarise(metric, scores)
    assert measured.interval.estimate == pytest.approx(sum(worth.values()) / 3)
    why = "the judge timed out" if isinstance(rule, Share) else "kind: the judge timed out"
    assert (measured.scored, measured.unscored) == (3, {why: 1})

    pair = answer(answer(scenario(9), "bad"), "good")
    label = derive_preference(pair, rule, POLICY)
    assert isinstance(label, Label) and label.by.kind == "derived"
    assert find_preference(with_labels(pair, label)) == (1, 0)
    assert derive_preference(pair, rule, POLICY) == label, "by the same rule, the same label"
    tie = derive_preference(answer(answer(scenario(9), "bad"), "bad"), rule, POLICY)
    assert tie == Unscored("the preference is a tie")
    lost = derive_preference(answer(answer(scenario(9), "lost"), "good"), rule, POLICY)
    assert isinstance(lost, Unscored) and "the judge timed out" in lost.reason


def test_an_example_without_such_a_question_has_no_reward() -> None:
    plain = msgspec.structs.replace(answer(scenario(0), "good"), questions=())
    assert reward_values(WeightedRubric(), [plain], POLICY) == [None]
    assert reward_values(Share("safe", (True,), JUDGE), [plain], POLICY) == [None]
    assert reward_values(WeightedRubric(), [scenario(0)], POLICY) == [None], "nor one unanswered"


def test_the_reward_is_of_the_last_response() -> None:
    twice = answer(answer(scenario(0), "bad"), "good")
    assert reward_values(WeightedRubric(), [twice], POLICY) == [1.0]
