"""Labellers are compared as their labels say: known coefficients, failures, what follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from tests.agreement.rated import LETTER, POLICY, A, B, C, label, made, rated

from trueline.agreement.agreement import QuestionReport, Sides, agreements
from trueline.agreement.answers import (
    AnswerTable,
    collect_answers,
    find_grouping,
    find_labellers,
    short_names,
)
from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.policy import pku
from trueline.records.types import Example, Label, LabellerId, with_labels, with_tags

# Krippendorff (2011), two observers and four; Cohen (1960), 200 diagnoses
BEN, GERRY = "aabbdcccedda", "babbbccceddd"
FOUR = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
COHEN = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]


def compared(examples: Iterable[Example], *sides: Any, **more: Any) -> list[QuestionReport]:
    floor = more.pop("floor", 0.98)
    return agreements(collect_answers(examples, POLICY, **more), Sides(*sides), floor)


def test_alpha_of_two_observers_as_published() -> None:
    [report] = compared(rated([A, B], list(zip(BEN, GERRY, strict=True)), LETTER))
    [one] = report.agreements
    assert (report.metric, one.first, one.second, one.items) == ("nominal", ("Ada",), ("Ben",), 12)
    assert one.alpha is not None and one.alpha.estimate == pytest.approx(0.692, abs=5e-4)
    assert one.alpha.low is not None and one.alpha.low < 0.692 < (one.alpha.high or 0)
    assert one.alpha.units == 12 and one.raw_agreement == 9 / 12
    assert one.confusion is not None and one.confusion.values == list("abcde")
    assert [row[i] for i, row in enumerate(one.confusion.counts)] == [1, 2, 3, 2, 1]


def test_alpha_of_four_observers_with_gaps_as_published() -> None:
    rows = [line.split() for line in FOUR.split("\n") if line]
    units = [[x if x == "." else int(x) for x in unit] for unit in zip(*rows, strict=True)]
    raters = [LabellerId("person", f"rater {i}") for i in range(4)]
    [report] = compared(rated(raters, units, POLICY["helpfulness"]))
    *pairs, joint = report.agreements
    assert len(pairs) == 6 and joint.joint and joint.first == tuple(by.name for by in raters)
    assert joint.alpha is not None and joint.alpha.estimate == pytest.approx(0.815, abs=5e-4)
    assert joint.items == 11  # the twelfth unit was rated once


def test_kappa_and_table_as_published() -> None:
    units = [("abc"[i], "abc"[j]) for i in range(3) for j in range(3) for _ in range(COHEN[i][j])]
    [one] = compared(rated([A, B], units, LETTER))[0].agreements
    assert one.kappa is not None and round(one.kappa, 3) == 0.492
    assert one.confusion is not None and one.confusion.counts == COHEN
    assert one.raw_agreement == 140 / 200


def test_items_of_one_prompt_or_cluster_are_one() -> None:
    def spread(tagged: bool) -> list[Example]:
        found = []
        for number in range(40):
            example = made(number, f"request {number // 2}", responses=number % 3 + 1)
            if tagged:
                example = with_tags(example, f"cluster:{number // 10}")
            given = [
                label(example, "refusal", by, value)
                for by, value in [(A, ["comply", "refuse"][number % 2]), (B, "comply")]
            ]
            found.append(with_labels(example, *given))
        return found

    for tagged, clusters in [(False, 20), (True, 4)]:
        [one] = compared(spread(tagged))[0].agreements
        assert one.alpha is not None and (one.items, one.alpha.units) == (40, clusters)


def test_a_labeller_that_failed_gives_no_figure_but_bounds() -> None:
    examples = []
    for number in range(100):
        example = made(number)
        value = None if number < 30 else number % 2 == 0
        given = [label(example, "safe", A, number % 4 == 0), label(example, "safe", C, value)]
        examples.append(with_labels(example, *given))
    [report] = compared(examples)
    [one] = report.agreements
    assert (one.asked, one.scored, one.withheld, report.withheld) == (100, 70, True, True)
    assert (one.alpha, one.raw_agreement, one.kappa) == (None, None, None)
    same = sum(1 for n in range(30, 100) if (n % 2 == 0) == (n % 4 == 0))
    assert (one.least, one.most) == (same / 100, (same + 30) / 100)
    [_, judge] = report.coverage
    assert (judge.labeller, judge.asked, judge.answered) == ("judge", 100, 70)
    assert judge.unscored == {"the judge failed": 30}
    assert judge.shares == {"yes": (0.35, 0.65), "no": (0.35, 0.65)}
    [lower] = compared(examples, floor=0.7)[0].agreements
    assert lower.alpha is not None and lower.raw_agreement == same / 70


def test_what_nobody_was_asked_is_not_missing() -> None:
    examples = [
        with_labels(made(n), *(label(made(n), "safe", by, True) for by in ((A, B) if n else (A,))))
        for n in range(5)
    ]
    [one] = compared(examples)[0].agreements
    assert (one.items, one.asked, one.scored, one.withheld) == (4, 4, 4, False)
    assert one.alpha is not None and one.alpha.estimate is None  # one value alone says nothing


def judged(number: int, by: LabellerId, safe: bool, severity: int | None = None) -> Example:
    example = made(number)
    given = [label(example, "safe", by, safe)]
    if severity is not None:
        given.append(label(example, "severity", by, severity))
    return with_labels(example, *given)


def test_a_dependent_answer_follows_where_it_was_not_asked() -> None:
    """A safe response has severity 0, and categories [] of which nobody spoke are not compared."""
    said = [((True, None), (True, None))] * 6 + [
        ((False, 1), (False, 1)),
        ((False, 3), (False, 2)),
        ((True, None), (False, 2)),
    ]
    examples = [
        with_labels(judged(n, A, *one), *judged(n, B, *other).labels)
        for n, (one, other) in enumerate(said)
    ]
    safe, severity = compared(examples)
    assert (safe.question, severity.question) == ("safe", "severity")
    [one] = severity.agreements
    assert severity.metric == "ordinal" and severity.parents == ("safe",)
    assert (one.items, one.implied) == (9, 7) and one.raw_agreement == 7 / 9
    assert one.confusion is not None and one.confusion.values == ["0", "1", "2", "3"]
    assert one.confusion.counts[0] == [6, 0, 1, 0]
    assert one.alpha_asked is not None and one.alpha_asked.units == 2
    [ada, _] = severity.coverage
    assert (ada.asked, ada.answered) == (2, 2)  # it was asked of what is not safe


def test_preferences_are_compared_in_one_order() -> None:
    examples = []
    for number in range(20):
        example = made(number, responses=2)
        value, turned = ("first", "second") if number % 2 else ("second", "first")
        given = [
            label(example, "safer", A, value, (0, 1)),
            label(example, "safer", B, turned, (1, 0)),
        ]
        examples.append(with_labels(example, *given))
    [one] = compared(examples)[0].agreements
    assert one.alpha is not None and one.alpha.estimate == 1.0
    assert one.confusion is not None and one.confusion.counts == [[10, 0], [0, 10]]


def test_sets_of_options_are_compared_as_sets() -> None:
    pairs = [(("Drugs",), ("Drugs", "Violence")), (("Drugs",), ("Drugs",)), (("Drugs",), ())]
    examples = []
    for number, values in enumerate(pairs):
        example = made(number)
        given = [
            label(example, "harm_categories", by, value)
            for by, value in zip((A, B), values, strict=True)
        ]
        examples.append(with_labels(example, *given))
    [report] = compared(examples)
    assert report.metric == "masi"
    [one] = report.agreements
    assert one.confusion is not None and one.confusion.by_option
    assert dict(zip(one.confusion.values, one.confusion.counts, strict=True)) == {
        "Drugs": [2, 1, 0],
        "Violence": [0, 0, 1],
    }
    assert one.kappa is None and one.raw_agreement == pytest.approx(1 / 3)


def test_one_question_in_two_wordings_is_compared_and_named() -> None:
    theirs = LabellerId("imported", "pku")
    examples = []
    for number in range(10):
        example = made(number)
        imported = Label.new(example, pku.SAFE, (0,), theirs, value=number > 4)
        examples.append(with_labels(example, imported, label(example, "safe", C, number > 3)))
    [report] = compared(examples)
    assert report.wordings == {
        digest(pku.SAFE): ["pku"],
        digest(POLICY["safe"]): ["judge"],
    }
    assert report.agreements[0].raw_agreement == 0.9


def test_answers_of_another_kind_are_told() -> None:
    example = made(0)
    strange = msgspec.structs.replace(label(example, "safe", B, True), value="perhaps")
    told = r"person Ben answers 'safe' with 'perhaps'.*yes-no.*value:safe:CELL"
    with pytest.raises(InputError, match=told):
        compared([with_labels(example, label(example, "safe", A, True), strange)])


def test_stated_probabilities_are_held_against_the_other() -> None:
    examples = []
    for number in range(40):
        example = made(number)
        sure = label(example, "safe", C, True, probability=0.75)
        examples.append(with_labels(example, label(example, "safe", A, number % 2 == 0), sure))
    [one] = compared(examples)[0].agreements
    found = one.calibration["judge"]
    assert (found.items, round(found.error, 6), found.brier) == (40, 0.25, 0.3125)


# ---- who, and by what -------------------------------------------------------------------------


def test_labellers_are_told_apart_and_found() -> None:
    twice = [LabellerId("judge", "nano", "1" * 32), LabellerId("judge", "nano", "2" * 32)]
    raters = [A, *twice, LabellerId("classifier", "Ada", "3" * 32)]
    assert list(short_names(raters).values()) == [
        "person Ada",
        "judge nano 11111111",
        "judge nano 22222222",
        "classifier Ada",
    ]
    assert find_labellers(raters, "judge") == find_labellers(raters, "nano") == twice
    assert (
        find_labellers(raters, "22222222")
        == twice[1:]
        == find_labellers(raters, "judge nano 22222222")
    )
    assert find_labellers(raters, "Ada") == [A, raters[3]] and find_labellers(raters, "person") == [
        A
    ]
    with pytest.raises(InputError, match="labels by classifier Ada, judge nano 1"):
        find_labellers(raters, "Eve")


def three(count: int = 40) -> list[Example]:
    found = []
    for n in range(count):
        example = made(n)
        values = [(A, n % 2), (B, n % 2 if n % 10 else 1), (C, n % 3 == 0)]
        found.append(
            with_labels(example, *(label(example, "safe", by, bool(v)) for by, v in values))
        )
    return found


def test_a_side_of_several_is_averaged() -> None:
    [report] = compared(three(), ("judge",), ("person",))
    ada, ben, both = report.agreements
    assert (ada.second, ben.second, both.second) == (("Ada",), ("Ben",), ("Ada", "Ben"))
    alphas = [one.alpha.estimate for one in (ada, ben, both) if one.alpha and one.alpha.estimate]
    assert alphas[2] == pytest.approx((alphas[0] + alphas[1]) / 2) and alphas[0] != alphas[1]
    assert both.raw_agreement == ((ada.raw_agreement or 0) + (ben.raw_agreement or 0)) / 2
    assert (both.items, both.asked) == (40, 80)
    [report] = compared(three(), (), ("Ada",))
    assert [one.first for one in report.agreements] == [("Ben",), ("judge",)]


def test_what_cannot_be_compared_is_told() -> None:
    for sides, match in [
        ((("Eve",), ("Ada",)), "no labeller is called 'Eve'.*person Ada"),
        ((("person",), ("Ada",)), "Ada would be compared with themselves"),
    ]:
        with pytest.raises(InputError, match=match):
            compared(three(), *sides)
    with pytest.raises(InputError, match=r"labels are by person Ada, questions: safe"):
        compared([with_labels(made(0), label(made(0), "safe", A, True))])
    with pytest.raises(InputError, match="labels are by nobody"):
        compared([made(0)])


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("language", {"de": 20, "(none)": 20}),
        ("tag:lang", {"de": 20, "(none)": 20}),
        ("source", {"(none)": 40}),
        ("category", {"Drugs": 10, "(none)": 30}),
    ],
)
def test_groups(by: str, groups: dict[str, int]) -> None:
    examples = []
    for n, example in enumerate(three()):
        tagged = with_tags(example, "lang:de") if n % 2 else example
        named = label(example, "harm_categories", A, ("Drugs",))
        examples.append(with_labels(tagged, named) if n < 10 else tagged)
    found: AnswerTable = collect_answers(examples, POLICY, find_grouping(by), ["safe"])
    [report] = agreements(found, Sides(("judge",), ("Ada",)))
    [one] = report.agreements
    assert {name: part.items for name, part in one.groups.items()} == groups
    assert all((part.alpha is None) == (part.items < 30) for part in one.groups.values())


def test_a_grouping_that_is_none() -> None:
    for name in ("colour", "tag:", "tag"):
        with pytest.raises(InputError, match="language, source, category or tag:KEY"):
            find_grouping(name)
