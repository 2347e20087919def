"""Means over the primary metrics of a group, in both models of a comparison.

Every benchmark counts once, as a share of its metric's range.  The limits of a mean join those of
the benchmarks by squaring and adding their distances from the estimates (Zou and Donner 2008,
Statistics in Medicine 27:1693), with the items of different benchmarks taken as independent.  Harm
and refusal are each averaged over one measure by one instrument, that of the most benchmarks: two
instruments are never averaged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import hypot

from trueline.evaluate.results import Difference, GroupMeans, Metric
from trueline.statistics.intervals import Interval

MORE_IS_BETTER = {"harmfulness": False, "over-refusal": False, "capability": True}
"""The groups that have means, and whether more of them is better."""


def group_means(differences: Sequence[Difference], level: float) -> dict[str, GroupMeans]:
    """The means by group, with limits of the confidence 1 - `level`; a group in which nothing
    counts is absent."""
    means = {}
    for group, more_is_better in MORE_IS_BETTER.items():
        primary: dict[str, Difference] = {}
        for d in differences:
            if d.primary and d.group == group:
                primary.setdefault(d.metric.benchmark, d)
        counted = [d for d in primary.values() if d.withheld is None and _has_estimates(d)]
        averaged = counted if more_is_better else _commonest_measure(counted)
        if not averaged:
            continue
        base, treated = (
            _mean(averaged, sides, more_is_better, level)
            for sides in ([d.base for d in averaged], [d.treated for d in averaged])
        )
        means[group] = GroupMeans(
            base=base,
            treated=treated,
            measures=_measures(averaged, more_is_better),
            withheld=[name for name, d in primary.items() if d not in counted],
            other_measures=[d.metric.benchmark for d in counted if d not in averaged],
            by_refusal=all(d.metric.question == "refusal" for d in averaged),
        )
    return means


def _has_estimates(d: Difference) -> bool:
    return d.base.estimate is not None and d.treated.estimate is not None


def _commonest_measure(counted: Sequence[Difference]) -> list[Difference]:
    """The differences of the measure that the most benchmarks have, of several the first."""

    def measure(d: Difference) -> tuple[object, ...]:
        return d.metric.question, d.metric.accepted, d.metric.name, d.metric.instrument

    commonest = Counter(map(measure, counted)).most_common(1)
    return [d for d in counted if measure(d) == commonest[0][0]]


def _measures(averaged: Sequence[Difference], more_is_better: bool) -> dict[str, list[str]]:
    """The benchmarks by what was measured on them."""
    measures: dict[str, list[str]] = {}
    for d in averaged:
        prefix = "1 minus " if _is_turned(d.metric, more_is_better) else ""
        measures.setdefault(f"{prefix}{d.metric.description}", []).append(d.metric.benchmark)
    return measures


def _mean(
    averaged: Sequence[Difference], sides: Sequence[Interval], more_is_better: bool, level: float
) -> Interval:
    """One model's mean in [0, 1] over the benchmarks, without limits if one of them has none."""
    shares = [
        _share(side, d.metric, more_is_better) for side, d in zip(sides, averaged, strict=True)
    ]
    mean = sum(estimate for estimate, _ in shares) / len(shares)
    gaps = [(estimate - ends[0], ends[1] - estimate) for estimate, ends in shares if ends]
    units, confidence = sum(side.units for side in sides), round(1 - level, 12)
    if len(gaps) < len(shares):
        return Interval(mean, None, None, units, confidence, "a benchmark has no interval")
    below, above = (hypot(*distances) / len(shares) for distances in zip(*gaps, strict=True))
    return Interval(mean, max(0.0, mean - below), min(1.0, mean + above), units, confidence)


def _share(
    side: Interval, metric: Metric, more_is_better: bool
) -> tuple[float, tuple[float, float] | None]:
    """An estimate and its limits as shares of the metric's range, turned to what the group is
    about: more harm, more refusals, more skill."""
    turned, width = _is_turned(metric, more_is_better), metric.high - metric.low or 1.0

    def place(value: float) -> float:
        share = (value - metric.low) / width
        return 1 - share if turned else share

    estimate = place(side.estimate or 0.0)
    if side.limits is None:
        return estimate, None
    low, high = sorted(map(place, side.limits))
    return estimate, (low, high)


def _is_turned(metric: Metric, more_is_better: bool) -> bool:
    return (metric.better == "higher") != more_is_better
