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

from trueline.evaluate.results import Comparison, Difference
from trueline.policy.values import Share
from trueline.records.types import LabellerId
from trueline.report import page
from trueline.report.pairs import letters, pairs
from trueline.report.svg import curves, forest
from trueline.report.svg.axis import axis
from trueline.report.svg.plane import plane
from trueline.statistics.intervals import Interval
from trueline.train import card

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(st.one_of(numbers, st.just(nan)), max_size=8), st.integers(2, 6))
def test_an_axis_holds_its_values_and_ends_at_round_numbers(
    values: list[float], ticks: int
) -> None:
    found = axis(values, 10, 110, ticks=ticks)
    slack = 1e-8 * (found.high - found.low)  # far below what is drawn
    for value in values:
        if not isnan(value):
            assert found.low - slack <= value <= found.high + slack
            assert 10 <= found.at(value) <= 110
    assert 2 <= len(found.ticks) <= ticks + 3
    assert (found.at(found.low), found.at(found.high)) == (10, 110)
    assert found.at(found.high + 1) == 110


def test_an_axis_that_points_up() -> None:
    found = axis([0.0, 0.37], 300, 20)
    assert found.ticks == (0.0, 0.1, 0.2, 0.3, 0.4)
    assert (found.at(0), found.at(0.2), found.at(0.4)) == (300, 160, 20)


def test_the_plane_is_the_mean_over_benchmarks(comparisons: list[Comparison]) -> None:
    one = comparisons[0]
    [move] = plane(pairs([one])).moves
    harm = [d for d in one.differences if d.group == "harmfulness" and d.primary]
    assert len(harm) == 3 and all(d.metric.better == "lower" for d in harm)
    found = move.standing["harmfulness"].treated
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
    [move] = plane(pairs([msgspec.structs.replace(one, differences=turned)])).moves
    found = move.standing["harmfulness"].treated
    assert [round(v, 9) for v in (found.estimate, *(found.limits or ()))] == [0.1, 0.05, 0.2]
    standing = move.standing["harmfulness"]
    assert standing.withheld == [d.metric.benchmark for d in harm[1:]]
    assert standing.counted == {
        "1 minus safe = no, by an-endpoint-judge": [harm[0].metric.benchmark]
    }
    assert not move.whole and plane(pairs([one])).plane is not None


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
    changed = msgspec.structs.replace(one, differences=mixed)
    found = plane(pairs([changed])).moves[0].standing["harmfulness"]
    assert found.otherwise == [harm[0].metric.benchmark] and not found.withheld
    assert found.treated.estimate == pytest.approx(
        sum(d.treated.estimate for d in harm[1:]) / len(harm[1:])
    )
    assert f"{harm[0].metric.benchmark} (another measure)" in Page(page.rendered([changed])).text


def test_another_question_of_a_disputed_benchmark_is_no_part_of_it(
    comparisons: list[Comparison],
) -> None:
    one = next(c for c in comparisons if c.disagree)
    name = next(iter(one.disagree))
    disputed = [d for d in one.differences if d.metric.benchmark == name]
    metric = msgspec.structs.replace(
        disputed[0].metric,
        rule=msgspec.structs.replace(disputed[0].metric.rule, question="another"),
    )
    other = msgspec.structs.replace(disputed[0], metric=metric)
    more = msgspec.structs.replace(one, differences=[*one.differences, other])
    every = pairs([more])
    found = forest.disagreeing(every, forest.forest(every).axis)
    [marks] = [marks for _, benchmark, _, marks in found if benchmark == name]
    assert [mark.found for mark in marks] == disputed and len(disputed) > 1


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
    assert plane(pairs([one])).across == "harmfulness", "the judge's answers are about harm"
    changed = msgspec.structs.replace(one, differences=[refusing(d) for d in one.differences])
    found = plane(pairs([changed]))
    assert (found.across, found.up) == (
        "harmful requests not refused",
        "harmless requests refused",
    )
    assert "harmful requests not refused, %" in page.rendered([changed], cards=())


def test_dots_and_arrows_lie_where_the_numbers_say(comparisons: list[Comparison]) -> None:
    found = plane(pairs(comparisons))
    drawing = found.plane
    assert drawing is not None and drawing.across is not None
    assert [dot.mark for dot in drawing.dots if dot.treated] == ["A", "B", "C"]
    assert sum(not dot.treated for dot in drawing.dots) <= 3 and len(drawing.arrows) == 3
    for move, arrow in zip(found.moves, drawing.arrows, strict=True):
        harm, refusal = move.standing["harmfulness"], move.standing["over-refusal"]
        for point, side in ((arrow.start, "base"), (arrow.end, "treated")):
            across, up = getattr(harm, side).estimate, getattr(refusal, side).estimate
            assert point == (drawing.across.at(across), drawing.up.at(up))
    for dot in drawing.dots:
        assert dot.across is not None and dot.across[0] <= dot.x <= dot.across[1]
        assert dot.up is not None and dot.up[1] <= dot.y <= dot.up[0]  # the axis points up


def test_curves_are_the_cards_log(comparisons: list[Comparison], tmp_path: Path) -> None:
    found = curves.trainings(pairs(comparisons))
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
    text = Page(page.rendered(comparisons, cards=())).text
    assert "the base of this comparison" in text
    assert "it is no folder on the machine that wrote this page" in text


def test_a_model_that_was_trained_from_another_base_is_said(
    comparisons: list[Comparison], tmp_path: Path
) -> None:
    one = comparisons[0]
    other = msgspec.structs.replace(one.base, identity="another")
    text = Page(page.rendered([msgspec.structs.replace(one, base=other)])).text
    assert "whose identity is not that of the base compared with here" in text
    torn = tmp_path / "torn"
    trained(torn, one.base)
    (torn / card.CARD).write_bytes(b'{"method": ')
    lost = msgspec.structs.replace(one.treated, model=str(torn))
    text = Page(page.rendered([msgspec.structs.replace(one, treated=lost)])).text
    assert "How it was trained is not known" in text and "cannot be read" in text


def test_a_log_that_is_not_a_number_leaves_a_gap(comparisons: list[Comparison]) -> None:
    [first, *_] = curves.trainings(pairs(comparisons))
    assert first.card is not None
    log = [{"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": None}, {"loss": 1.0}]
    found = curves.metrics(msgspec.structs.replace(first.card, log=log))
    assert found == {"loss": {1: 0.5}}


def test_names_of_many_models() -> None:
    assert [letters(n) for n in (0, 25, 26, 27, 701, 702)] == ["A", "Z", "AA", "AB", "ZZ", "AAA"]


def test_several_bases_have_names_of_their_own(comparisons: list[Comparison]) -> None:
    other = msgspec.structs.replace(comparisons[1].base, identity="another")
    found = pairs([comparisons[0], msgspec.structs.replace(comparisons[1], base=other)])
    assert [pair.base.mark for pair in found] == ["Base 1", "Base 2"]
