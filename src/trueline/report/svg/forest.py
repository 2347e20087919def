"""The gains of all primary metrics by group, each drawn with its interval on one common axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from msgspec import Struct

from trueline.evaluate.compare.headline import find_disagreements
from trueline.evaluate.results import Difference, Metric
from trueline.report.pairs import Pair, Verdict, find_verdict, group_titles
from trueline.report.svg.drawing import Axis, make_axis

WIDTH, MARGIN = 320.0, 20.0


class ForestRow(Struct, frozen=True):
    """One difference with its place on the axis, in units of the drawing: the gain, its limits
    (None if there are none), and the bounds over the unscored."""

    pair: Pair
    difference: Difference
    verdict: Verdict
    at: float | None
    limits: tuple[float, float] | None
    bounds: tuple[float, float] | None


class Group(Struct, frozen=True):
    """A group's title and its primary differences by benchmark."""

    title: str
    benchmarks: dict[str, list[ForestRow]]


class Forest(Struct, frozen=True):
    """All groups on one axis, whose numbers are shares of a metric's range."""

    axis: Axis
    groups: list[Group]

    @property
    def zero(self) -> float:
        """Where no gain is, in per cent of the drawing's width."""
        return round(100 * self.axis.at(0.0) / WIDTH, 3)


class Disagreement(Struct, frozen=True):
    """A benchmark on which two instruments disagree: why, and every instrument's view of it."""

    pair: Pair
    benchmark: str
    why: str
    rows: list[ForestRow]


def make_forest(pairs: Sequence[Pair]) -> Forest:
    """The primary differences of all comparisons.  Bounds may lie beyond the axis, limits not."""
    differences = [(pair, d) for pair in pairs for d in pair.primary]
    shares = [
        _share_of_range(value, d.metric)
        for _, d in differences
        for value in (d.gain.estimate, d.gain.low, d.gain.high)
        if value is not None
    ]
    axis = make_axis([0.0, *shares], MARGIN, WIDTH - MARGIN)
    groups = []
    for name, title in group_titles({d.group for _, d in differences}).items():
        benchmarks: dict[str, list[ForestRow]] = {}
        for pair, d in differences:
            if d.group == name:
                benchmarks.setdefault(d.metric.benchmark, []).append(_row(pair, d, axis))
        groups.append(Group(title, benchmarks))
    return Forest(axis, groups)


def _row(pair: Pair, d: Difference, axis: Axis) -> ForestRow:
    """A difference on the axis."""

    def share(value: float | None) -> float | None:
        return None if value is None else _share_of_range(value, d.metric)

    gain = share(d.gain.estimate)
    return ForestRow(
        pair=pair,
        difference=d,
        verdict=find_verdict(d, pair.comparison.level),
        at=None if gain is None else axis.at(gain),
        limits=axis.error_bar(share(d.gain.low), share(d.gain.high)),
        bounds=axis.error_bar(share(d.least), share(d.most)),
    )


def _share_of_range(value: float, metric: Metric) -> float:
    """A gain as a share of the metric's range, so that metrics fit one axis."""
    width = metric.high - metric.low
    return value / width if width else value


def list_disagreements(pairs: Sequence[Pair], axis: Axis) -> list[Disagreement]:
    """By comparison and benchmark, the disagreements of two instruments."""
    return [
        Disagreement(
            pair,
            name,
            pair.comparison.disagreements.get(name, ""),
            [_row(pair, d, axis) for d in differences],
        )
        for pair in pairs
        for name, differences in find_disagreements(
            pair.comparison.differences, pair.comparison.level
        ).items()
    ]


def count_instruments(pairs: Sequence[Pair]) -> dict[str, int]:
    """By benchmark, by how many instruments one and the same question was answered at most."""
    by_question: dict[str, dict[str, set[tuple[str, str | None]]]] = {}
    for d in chain.from_iterable(pair.comparison.differences for pair in pairs):
        m = d.metric
        questions = by_question.setdefault(m.benchmark, {})
        questions.setdefault(m.question, set()).add((m.name, m.instrument))
    return {name: max(map(len, asked.values())) for name, asked in by_question.items()}
