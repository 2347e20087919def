"""Axes, the plane's means and the training curves, against what they are worked out from."""

from __future__ import annotations

from math import isnan, nan, sqrt
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.made import trained
from tests.report.parsed import Page

from trueline.evaluate.compare.group_means import group_means
from trueline.evaluate.results import Comparison, Difference
from trueline.policy.values import Share
from trueline.records.types import LabellerId
from trueline.report import page
from trueline.report.pairs import letter_name, make_pairs
from trueline.report.svg import curves, forest
from trueline.report.svg.drawing import make_axis
from trueline.report.svg.plane import make_plane
from trueline.statistics.intervals import Interval
from trueline.train import card

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(st.one_of(numbers, st.just(nan)), max_size=8), st.integers(2, 6))
def test_an_axis_holds_its_values_and_ends_at_round_numbers(
    values: list[float], ticks: int
) -> None:
    found = make_axis(values, 10, 110, ticks=ticks)
    slack = 1e-8 * (found.high - found.low)  # far below what is drawn
    for value in values:
        if not isnan(value):
            assert found.low - slack <= value <= found.high + slack
            assert 10 <= found.at(value) <= 110
    assert 2 <= len(found.ticks) <= ticks + 3
    assert (found.at(found.low), found.at(found.high)) == (10, 110)
    assert found.at(found.high + 1) == 110


def test_an_axis_that_points_up() -> None:
    found = make_axis([0.0, 0.37], 300, 20)
    assert found.ticks == (0.0, 0.1, 0.2, 0.3, 0.4)
    assert (found.at(0), found.at(0.2), found.at(0.4)) == (300, 160, 20)


def with_differences(comparison: Comparison, differences: list[Difference]) -> Comparison:
    """The comparison as compare would make it of these differences."""
    means = group_means(differences, comparison.level)
    return msgspec.structs.replace(comparison, differences=differences, group_means=means)


def test_the_plane_is_the_mean_over_benchmarks(comparisons: list[Comparison]) -> None:
    one = comparisons[0]
    [shift] = make_plane(make_pairs([one])).shifts
    harm = [d for d in one.differences if d.group == "harmfulness" and d.primary]
    assert len(harm) == 3 and all(d.metric.better == "lower" for d in harm)
    found = shift.means["harmfulness"].treated
    middle = sum(d.treated.estimate for d in harm) / 3
    below = sqrt(sum((d.treated.estimate - d.treated.low) ** 2 for d in harm)) / 3
    assert found.estimate == pytest.approx(middle) and found.limits is not None
    assert found.limits[0] == pytest.approx(middle - below)
    # what counts for less harm is turned around; what is withheld is not in the mean, and named
    turned = [
        msgspec.structs.replace(
            d,
            metric=msgspec.structs.replace(d.metric, better="higher"),
            treated=Interval(0.9, 0.8, 0.95, 40),
        )
        if d is harm[0]
        else msgspec.structs.replace(d, withheld="the judge failed")
        for d in harm
    ]
    [shift] = make_plane(make_pairs([with_differences(one, turned)])).shifts
    found = shift.means["harmfulness"].treated
    assert [round(v, 9) for v in (found.estimate, *(found.limits or ()))] == [0.1, 0.05, 0.2]
    means = shift.means["harmfulness"]
    assert means.withheld == [d.metric.benchmark for d in harm[1:]]
    assert means.measures == {"1 minus safe = no, by an-endpoint-judge": [harm[0].metric.benchmark]}
    assert not shift.is_on_plane and make_plane(make_pairs([one])).plane is not None


def test_two_instruments_on_harm_are_not_averaged(comparisons: list[Comparison]) -> None:
    """One benchmark of harm, of several, is scored by another instrument: it stands apart."""
    one = comparisons[0]
    harm = [d for d in one.differences if d.group == "harmfulness" and d.primary]
    assert len(harm) > 2 and all(d.withheld is None for d in harm)
    by = LabellerId("judge", "another", "0" * 32)
    rule = msgspec.structs.replace(harm[0].metric.rule, by=by)
    metric = msgspec.structs.replace(harm[0].metric, rule=rule)
    other = msgspec.structs.replace(harm[0], metric=metric, treated=Interval(1.0, 0.9, 1.0, 40))
    mixed = [other if d is harm[0] else d for d in one.differences]
    changed = with_differences(one, mixed)
    found = make_plane(make_pairs([changed])).shifts[0].means["harmfulness"]
    assert found.other_measures == [harm[0].metric.benchmark] and not found.withheld
    assert found.treated.estimate == pytest.approx(
        sum(d.treated.estimate for d in harm[1:]) / len(harm[1:])
    )
    assert f"{harm[0].metric.benchmark} (another measure)" in Page(page.render([changed])).text


def test_another_question_of_a_disputed_benchmark_is_no_part_of_it(
    comparisons: list[Comparison],
) -> None:
    one = next(c for c in comparisons if c.disagreements)
    name = next(iter(one.disagreements))
    disputed = [d for d in one.differences if d.metric.benchmark == name]
    metric = msgspec.structs.replace(
        disputed[0].metric,
        rule=msgspec.structs.replace(disputed[0].metric.rule, question="another"),
    )
    other = msgspec.structs.replace(disputed[0], metric=metric)
    more = msgspec.structs.replace(one, differences=[*one.differences, other])
    every = make_pairs([more])
    found = forest.list_disagreements(every, forest.make_forest(every).axis)
    [rows] = [disputed.rows for disputed in found if disputed.benchmark == name]
    assert [row.difference for row in rows] == disputed and len(disputed) > 1


def test_an_axis_says_refusal_where_that_is_all_that_was_measured(
    comparisons: list[Comparison],
) -> None:
    def refusing(d: Difference) -> Difference:
        higher = "higher" if d.group == "harmfulness" else "lower"
        metric = msgspec.structs.replace(
            d.metric, rule=Share("refusal", ("refuse",), d.metric.rule.by), better=higher
        )
        return msgspec.structs.replace(d, metric=metric)

    one = comparisons[0]
    assert make_plane(make_pairs([one])).across == "harmfulness", (
        "the judge's answers are about harm"
    )
    changed = with_differences(one, [refusing(d) for d in one.differences])
    found = make_plane(make_pairs([changed]))
    assert (found.across, found.up) == (
        "harmful requests not refused",
        "harmless requests refused",
    )
    assert "harmful requests not refused, %" in page.render([changed], cards=())


def test_dots_and_arrows_lie_where_the_numbers_say(comparisons: list[Comparison]) -> None:
    found = make_plane(make_pairs(comparisons))
    drawing = found.plane
    assert drawing is not None and drawing.across is not None
    assert [dot.mark for dot in drawing.dots if dot.is_treated] == ["A", "B", "C"]
    assert sum(not dot.is_treated for dot in drawing.dots) <= 3 and len(drawing.arrows) == 3
    for shift, arrow in zip(found.shifts, drawing.arrows, strict=True):
        harm, refusal = shift.means["harmfulness"], shift.means["over-refusal"]
        for point, side in ((arrow.start, "base"), (arrow.end, "treated")):
            across, up = getattr(harm, side).estimate, getattr(refusal, side).estimate
            assert point == (drawing.across.at(across), drawing.up.at(up))
    for dot in drawing.dots:
        assert dot.across is not None and dot.across[0] <= dot.x <= dot.across[1]
        assert dot.up is not None and dot.up[1] <= dot.y <= dot.up[0]  # the axis points up


def test_curves_are_the_cards_log(comparisons: list[Comparison], tmp_path: Path) -> None:
    found = curves.read_trainings(make_pairs(comparisons))
    assert [t.card is None for t in found] == [False, True, True]
    first = found[0]
    assert first.card is not None and first.from_this_base
    names = [curve.name for curve in first.curves]
    assert names == [
        "loss", "rewards/accuracies", "rewards/margins", "grad_norm", "learning_rate",
    ]  # fmt: skip
    log = {int(e["step"] or 0): e for e in first.card.log if "loss" in e}
    assert len(log) == first.logged == 240 > len(first.steps) and first.steps[-1] == 240
    assert len(first.steps) <= curves.POINTS + 1
    for curve in first.curves:
        assert all(log[step][curve.name] == value for step, value in curve.points.items())
        assert curve.line.count("L") == len(curve.points) - 1
    text = Page(page.render(comparisons, cards=())).text
    assert "the base of this comparison" in text
    assert "it is no folder on the machine that wrote this page" in text


def test_a_model_that_was_trained_from_another_base_is_said(
    comparisons: list[Comparison], tmp_path: Path
) -> None:
    one = comparisons[0]
    other = msgspec.structs.replace(one.base, identity="another")
    text = Page(page.render([msgspec.structs.replace(one, base=other)])).text
    assert "whose identity is not that of the base compared with here" in text
    torn = tmp_path / "torn"
    trained(torn, one.base)
    (torn / card.CARD).write_bytes(b'{"method": ')
    lost = msgspec.structs.replace(one.treated, model=str(torn))
    text = Page(page.render([msgspec.structs.replace(one, treated=lost)])).text
    assert "How it was trained is not known" in text and "cannot be read" in text


def test_a_log_that_is_not_a_number_leaves_a_gap(comparisons: list[Comparison]) -> None:
    [first, *_] = curves.read_trainings(make_pairs(comparisons))
    assert first.card is not None
    log = [{"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": None}, {"loss": 1.0}]
    found = curves.logged_metrics(msgspec.structs.replace(first.card, log=log))
    assert found == {"loss": {1: 0.5}}


def test_names_of_many_models() -> None:
    assert [letter_name(n) for n in (0, 25, 26, 27, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AB",
        "ZZ",
        "AAA",
    ]


def test_several_bases_have_names_of_their_own(comparisons: list[Comparison]) -> None:
    other = msgspec.structs.replace(comparisons[1].base, identity="another")
    found = make_pairs([comparisons[0], msgspec.structs.replace(comparisons[1], base=other)])
    assert [pair.base.mark for pair in found] == ["Base 1", "Base 2"]
