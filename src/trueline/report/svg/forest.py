"""The gains of all primary metrics by group, each drawn with its interval on one common axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from msgspec import Struct

from trueline.evaluate.compare.headline import disagree, disputed
from trueline.evaluate.results import Difference, Metric
from trueline.report.pairs import Pair, Verdict, titles, verdict
from trueline.report.svg.axis import Axis, axis

WIDTH, MARGIN = 320.0, 20.0


class Mark(Struct, frozen=True):
    """One difference with its place on the axis, in units of the drawing: the gain, its limits
    (None where there are none), and the bounds over the unscored."""

    pair: Pair
    found: Difference
    verdict: Verdict
    at: float | None
    limits: tuple[float, float] | None
    bounds: tuple[float, float] | None


class Group(Struct, frozen=True):
    """A group's title and its primary differences by benchmark."""

    title: str
    benchmarks: dict[str, list[Mark]]


class Forest(Struct, frozen=True):
    """All groups on one axis, whose numbers are shares of a metric's range."""

    axis: Axis
    groups: list[Group]

    @property
    def zero(self) -> float:
        """Where no gain is, in per cent of the drawing's width."""
        return round(100 * self.axis.at(0.0) / WIDTH, 3)


def forest(pairs: Sequence[Pair]) -> Forest:
    """The primary differences of all comparisons.  Bounds may lie beyond the axis, limits not."""
    every = [(pair, d) for pair in pairs for d in pair.primary]
    ends = [[d.gain.estimate, d.gain.low, d.gain.high] for _, d in every]
    shares = [
        share(v, d.metric)
        for (_, d), end in zip(every, ends, strict=True)
        for v in end
        if v is not None
    ]
    along = axis([0.0, *shares], MARGIN, WIDTH - MARGIN)
    return Forest(along, [group for _, group in grouped(every, along)])


def grouped(every: Sequence[tuple[Pair, Difference]], along: Axis) -> list[tuple[str, Group]]:
    """The differences in the order of groups, benchmarks and models."""
    found = []
    for name, title in titles({d.group for _, d in every}).items():
        inside = [(pair, d) for pair, d in every if d.group == name]
        benchmarks: dict[str, list[Mark]] = {}
        for pair, d in inside:
            benchmarks.setdefault(d.metric.benchmark, []).append(mark(pair, d, along))
        found.append((name, Group(title, benchmarks)))
    return found


def mark(pair: Pair, d: Difference, along: Axis) -> Mark:
    """A difference on the axis."""

    def place(value: float) -> float:
        return along.at(share(value, d.metric))

    def ends(low: float | None, high: float | None) -> tuple[float, float] | None:
        return None if low is None or high is None else (place(low), place(high))

    estimate = d.gain.estimate
    return Mark(
        pair=pair,
        found=d,
        verdict=verdict(d, pair.comparison.level),
        at=None if estimate is None else place(estimate),
        limits=ends(d.gain.low, d.gain.high),
        bounds=ends(d.least, d.most),
    )


def share(value: float, metric: Metric) -> float:
    """A gain as a share of the metric's range, so that metrics fit one axis."""
    wide = metric.high - metric.low
    return value / wide if wide else value


def disagreeing(pairs: Sequence[Pair], along: Axis) -> list[tuple[Pair, str, str, list[Mark]]]:
    """By comparison and benchmark: what the disagreement is, and every instrument's view of it."""
    found = []
    for pair in pairs:
        level = pair.comparison.level
        for name, several in disputed(pair.comparison.differences, level).items():
            marks = [mark(pair, d, along) for d in several]
            found.append((pair, name, disagree(several, level)[name], marks))
    return found


def instruments(pairs: Sequence[Pair]) -> dict[str, int]:
    """By benchmark, by how many instruments one and the same question was answered at most."""
    seen: dict[str, dict[str, set[tuple[str, str | None]]]] = {}
    for d in chain.from_iterable(pair.comparison.differences for pair in pairs):
        m = d.metric
        seen.setdefault(m.benchmark, {}).setdefault(m.question, set()).add((m.name, m.instrument))
    return {name: max(map(len, asked.values())) for name, asked in seen.items()}
