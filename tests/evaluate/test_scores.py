"""Scores of items: what an answer is worth, what is unscored, and the mean with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.evaluate.made import (
    FAILED,
    GRADER,
    JUDGE,
    LOST,
    POLICY,
    Bench,
    bench,
    folder_of,
    item,
    metric,
    record,
)

from trueline.evaluate import results
from trueline.evaluate.results import Metric, MetricResult
from trueline.evaluate.scores import (
    REASONS,
    ItemScore,
    MetricScores,
    average,
    gather,
    reasons,
    spread,
    summarise,
)
from trueline.files.errors import InputError
from trueline.policy.values import Share
from trueline.records.store import dataset
from trueline.records.store.labels import LabelAppender
from trueline.records.types import Example, Label, Message, Response, with_labels, with_responses
from trueline.statistics.intervals import wilson
from trueline.statistics.resample import bootstrap
from trueline.statistics.sums import mean


def scored(path: Path, one: Bench) -> MetricScores:
    folder_of(path, one)
    [found] = gather(path, [metric(one)], POLICY).values()
    return found


def measure(path: Path, one: Bench) -> MetricResult:
    return summarise(metric(one), scored(path, one))


@pytest.mark.parametrize(
    ("question", "counts", "value", "worth"),
    [
        ("correct", (True,), True, 1.0),
        ("correct", (True,), False, 0.0),
        ("correct", (), True, 1.0),
        ("safe", (False,), False, 1.0),
        ("refusal", ("refuse", "partial"), "partial", 1.0),
        ("refusal", ("refuse",), "comply", 0.0),
        ("helpfulness", (), 4, 4.0),
        ("helpfulness", (4, 5), 4, 1.0),
        ("helpfulness", (5,), 4, 0.0),
        ("harm_categories", ("Violence", "Drugs"), ("Cybercrime", "Drugs"), 1.0),
        ("harm_categories", ("Violence",), (), 0.0),
    ],
)
def test_what_an_answer_is_worth(
    tmp_path: Path, question: str, counts: Any, value: Any, worth: float
) -> None:
    if question == "harm_categories":  # in the question's own order
        value = tuple(o for o in POLICY[question].options if o in value)
    one = bench(value, question=question, counts=counts, high=5.0)
    [found] = scored(tmp_path / "out", one).items.values()
    assert found.score == worth and found.why == ""


def test_true_is_not_one_and_a_word_without_worth_is_unscored(tmp_path: Path) -> None:
    level = bench(1, question="helpfulness", counts=(True,), high=5.0)
    assert [s.score for s in scored(tmp_path / "a", level).items.values()] == [0.0]
    word = bench("refuse", question="refusal", counts=())
    [found] = scored(tmp_path / "b", word).items.values()
    assert found.score is None and "'refuse' is no number" in found.why


def test_failures_are_unscored_with_their_reasons_and_never_wrong_answers(tmp_path: Path) -> None:
    found = measure(tmp_path / "out", bench(True, FAILED, None, LOST, LOST, True))
    assert (found.items, found.scored, found.interval.estimate) == (6, 2, 1.0)
    assert (found.least, found.most) == (pytest.approx(2 / 6), 1.0)
    assert found.unscored == {
        f"{LOST}: …": 2,  # one reason, whatever numbers it names
        "the judge timed out: after … s": 1,
        "no label by grader": 1,
    }
    assert not found.headline


def test_the_score_is_the_mean_over_repeats_that_have_one(tmp_path: Path) -> None:
    found = scored(tmp_path / "out", bench([True, False, True], [True, FAILED, FAILED]))
    assert [one.score for one in found.items.values()] == [pytest.approx(2 / 3), 1.0]
    assert found.repeats == 3


def test_a_repeat_without_a_score_is_no_answer_that_others_stand_for(tmp_path: Path) -> None:
    """A judge that fails on a third of all answers is thin, though every item has a score."""
    found = measure(tmp_path / "out", bench(*[[True, FAILED, True]] * 9, LOST))
    assert (found.scored, found.items, found.answers) == (9, 10, (18, 30))
    assert (found.least, found.most) == (pytest.approx(18 / 30), 1.0)
    assert not found.headline and found.unscored["the judge timed out: after … s"] == 9
    whole = measure(tmp_path / "whole", bench(*[[True, False, True]] * 9))
    assert whole.headline and whole.n_missing == 0 and whole.least == pytest.approx(2 / 3)


def test_the_spread_is_between_repeats_over_items_scored_in_each(tmp_path: Path) -> None:
    repeats = [[True, False], [True, True], [True, False], [FAILED, True]]
    found = scored(tmp_path / "out", bench(*repeats))
    assert spread(found) == pytest.approx(np.std([1.0, 1 / 3], ddof=1))
    assert spread(scored(tmp_path / "once", bench(True, False))) is None


def test_another_instrument_or_question_is_not_counted(tmp_path: Path) -> None:
    one = Bench(values={GRADER: [True, False], JUDGE: [False, False]})
    folder_of(tmp_path / "out", one)
    found = gather(tmp_path / "out", [metric(one), metric(one, JUDGE)], POLICY)
    assert [[s.score for s in f.items.values()] for f in found.values()] == [[1, 0], [0, 0]]
    other = msgspec.structs.replace(
        metric(one),
        rule=Share("correct", (True,), msgspec.structs.replace(GRADER, instrument="0" * 32)),
    )
    [none] = gather(tmp_path / "out", [other], POLICY).values()
    assert [s.score for s in none.items.values()] == [None, None]


def test_a_later_label_takes_the_place_of_an_earlier_one_and_any_of_none(tmp_path: Path) -> None:
    one, question = bench(True), POLICY["correct"]
    example = record(one, 0)
    assert isinstance(example, Example)
    none = Label.new(example, question, (0,), GRADER, unscored="late")
    last = Label.new(example, question, (0,), GRADER, value=False)
    for name, labels, worth in (("a", (none,), 1.0), ("b", (none, last), 0.0)):
        writer = dataset.Writer(tmp_path / name)
        writer.add(with_labels(example, *labels))
        writer.close(True)
        [found] = gather(tmp_path / name, [metric(one)], POLICY).values()
        assert [s.score for s in found.items.values()] == [worth]


def test_what_follows_from_another_answer_is_not_unscored(tmp_path: Path) -> None:
    one = bench(0, question="severity", counts=(), high=3.0, better="lower")
    example = with_responses(item(one, 0), Response((Message("assistant", "Sure."),)))
    safe = Label.new(example, POLICY["safe"], (0,), GRADER, value=True)
    writer = dataset.Writer(tmp_path / "out")
    writer.add(with_labels(example, safe))
    writer.close(True)
    [found] = gather(tmp_path / "out", [metric(one)], POLICY).values()
    assert [s.score for s in found.items.values()] == [0.0]


def test_proportions_of_independent_items_have_wilsons_interval(tmp_path: Path) -> None:
    found = measure(tmp_path / "out", bench(*[True] * 7, *[False] * 3))
    assert found.interval == wilson(7, 10)


def test_clusters_are_what_an_interval_rests_on(tmp_path: Path) -> None:
    values = [c % 3 == 0 for c in range(30) for _ in range(4)]
    names = [f"c{n // 4}" for n in range(120)]
    found = measure(tmp_path / "out", bench(*values, clusters=names)).interval
    assert found.units == 30
    alone = wilson(sum(values), 120)
    assert found.high - found.low > 1.7 * (alone.high - alone.low), "4 alike are worth one"
    assert found == bootstrap(mean(np.array(values, float)), names)


def test_equal_items_are_one_cluster() -> None:
    once = MetricScores()
    for name in ("a" * 32, "a" * 32 + "-1", "b" * 32):
        once.add(name, ItemScore(1.0, name.partition("-")[0], "", (1.0,)))
    assert average(list(once.items.values())).units < 3


@pytest.mark.parametrize("value", [True, False])
def test_all_right_or_all_wrong_in_clusters_still_has_limits(tmp_path: Path, value: bool) -> None:
    names = [f"c{n // 5}" for n in range(100)]
    found = measure(tmp_path / "out", bench(*[value] * 100, clusters=names)).interval
    assert found.estimate == value and found.units == 20
    assert (found.low, found.high) == (wilson(20 * value, 20).low, wilson(20 * value, 20).high)


def test_an_undefined_limit_survives_the_file(tmp_path: Path) -> None:
    one = bench(3, 3, 3, question="helpfulness", counts=(), low=1.0, high=5.0)
    folder_of(tmp_path / "out", one)
    assert "null" in (tmp_path / "out" / results.RESULTS).read_text()
    [found] = results.read(tmp_path / "out").metrics
    assert found.interval.estimate == 3.0 and found.interval.low is None
    assert found.spread is None, "what may be absent is not made a number"


def test_a_range_that_scores_leave_gives_no_bounds_and_no_crash(tmp_path: Path) -> None:
    found = measure(tmp_path / "out", bench(4, FAILED, question="helpfulness", counts=()))
    assert (found.least, found.most) == (None, None) and found.interval.estimate == 4.0


def test_nothing_scored_has_no_mean(tmp_path: Path) -> None:
    found = measure(tmp_path / "out", bench(FAILED, LOST))
    assert found.interval.estimate is None and (found.least, found.most) == (0.0, 1.0)
    empty = summarise(metric(bench()), MetricScores())
    assert empty.items == 0 and empty.least is None and not empty.headline


def test_an_item_that_cannot_be_stored_is_unscored(tmp_path: Path) -> None:
    """A NaN cannot be stored: the row goes to the rejects as raw text, which is no item."""
    one = bench(True)
    example = record(one, 0)
    assert isinstance(example, Example)
    bad = msgspec.structs.replace(example.labels[0], value=float("nan"))
    writer = dataset.Writer(tmp_path / "out")
    writer.add(msgspec.structs.replace(example, labels=(bad,)))
    writer.close(True)
    [scores] = gather(tmp_path / "out", [metric(one)], POLICY).values()
    found = summarise(metric(one), scores, items=1)
    assert (found.items, found.scored, found.headline) == (1, 0, False)
    assert found.unscored == {"the folder lacks it": 1}


def test_an_item_twice_and_two_metrics_of_one_name_are_refused(tmp_path: Path) -> None:
    one = bench(True)
    example = record(one, 0)
    assert isinstance(example, Example)
    writer = dataset.Writer(tmp_path / "out")
    writer.add(example)
    writer.add(example)
    writer.close(True)
    with pytest.raises(InputError, match=rf"{tmp_path}.*{example.id} occurs twice"):
        gather(tmp_path / "out", [metric(one)], POLICY)
    twice: list[Metric] = [
        metric(one),
        msgspec.structs.replace(metric(one), rule=Share("correct", (False,), GRADER)),
    ]
    with pytest.raises(InputError, match="two metrics named"):
        gather(tmp_path / "out", twice, POLICY)


@pytest.mark.parametrize("cut", [500, 60])
def test_what_a_judge_wrote_is_no_reason_of_its_own(cut: int) -> None:
    said = (f'cannot be read: "safe" is "said \\"{w}\\" {w * 40}"'[:cut] for w in ("a b", "c"))
    found = reasons(MetricScores({w: ItemScore(None, w, why=w) for w in said}))
    assert found == {"cannot be read: … is …": 2}


def test_reasons_that_hold_foreign_words_are_bounded() -> None:
    words = ["a" * n for n in range(1, 60)]
    found = reasons(
        MetricScores({w: ItemScore(None, w, why=f"the server said {w}") for w in words})
    )
    assert len(found) == REASONS + 1 and found.total() == len(words)
    assert found["other reasons"] == len(words) - REASONS


def test_labels_appended_by_others_count_by_their_order_and_not_by_who_came_first(
    tmp_path: Path,
) -> None:
    """A time-out, then an answer, then another, then a retraction, each by another writer."""
    one = bench(FAILED, FAILED)
    folder = folder_of(tmp_path / "out", one)
    first, second = dataset.read(folder)
    asked = POLICY["correct"]
    steps: list[tuple[dict[str, Any], float | None]] = [
        ({"value": True}, 1.0),
        ({"unscored": "the judge timed out again"}, 1.0),
        ({"value": False}, 0.0),
        ({"retracted": True}, None),
        ({"value": True}, 1.0),
    ]
    for number, (said, score) in enumerate(steps):
        with LabelAppender(folder, f"writer {9 - number}") as appender:
            appender.add(Label.new(first, asked, (0,), GRADER, **said))
        [found] = gather(folder, [metric(one)], POLICY).values()
        assert (found.items[first.id].score, found.items[second.id].score) == (score, None)
    assert not found.items[first.id].why and found.items[second.id].why == FAILED
