"""One metric on two models' answers to the same items: the gain, its interval, its test, and what
it could be whatever the unscored are."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from trueline.evaluate.compare.comparability import SIDES
from trueline.evaluate.results import Difference, Metric
from trueline.evaluate.scores import (
    ItemScore,
    MetricScores,
    average,
    bounds,
    clusters,
    reasons,
    spread,
)
from trueline.statistics.coverage import FLOOR, coverage, headline
from trueline.statistics.intervals import Interval, bonett_price, undefined
from trueline.statistics.permutation import sign_flip
from trueline.statistics.resample import bootstrap
from trueline.statistics.sums import Array, mean

SAME = "the same on every item"


def compare_metric(
    metric: Metric,
    sides: tuple[MetricScores, MetricScores],
    items: int,
    *,
    group: str = "",
    primary: bool = False,
    level: float = 0.05,
) -> Difference:
    """The difference between a base's and a treated model's scores on the items that both have
    scores on.

    Clusters are drawn, and have their signs flipped, as wholes.  `items` is how many were to be
    asked; those that a side lacks count as unscored.  `level` is that of significance, and 1 less
    it that of the intervals.  `q` is None: it takes all metrics together.
    """
    base, treated = sides
    both = [
        id
        for id, item in base.items.items()
        if _has_score(item) and _has_score(treated.items.get(id))
    ]
    first, second = ([side.items[id] for id in both] for side in sides)
    gains = _sign(metric) * (_values(second) - _values(first))
    names = clusters(first)
    items = max(items, len(base.items.keys() | treated.items.keys()))
    counts = [(len(side.answers), items * side.repeats) for side in sides]
    least, most = _bounds(metric, sides, items) or (None, None)
    confidence = round(1 - level, 12)
    return Difference(
        metric=metric,
        group=group,
        items=items,
        paired=len(both),
        base=average(first, confidence),
        treated=average(second, confidence),
        gain=_gain(gains, names, confidence),
        p=sign_flip(gains, names),
        q=None,
        least=least,
        most=most,
        coverage=(coverage(*counts[0]), coverage(*counts[1])),
        primary=primary,
        withheld=_withheld(sides, counts, len(both), items),
        spread=(spread(base), spread(treated)),
    )


def _has_score(item: ItemScore | None) -> bool:
    return item is not None and item.score is not None


def _sign(metric: Metric) -> int:
    """Which sign makes more of it better."""
    return 1 if metric.better == "higher" else -1


def _values(items: list[ItemScore]) -> Array:
    return np.array([item.score for item in items], np.float64)


def _gain(gains: Array, names: list[str] | None, level: float) -> Interval:
    if not len(gains):
        return undefined(0, level, "no item has a score on both sides")
    if names is None and set(gains) <= {-1.0, 0.0, 1.0}:
        interval = bonett_price(int((gains > 0).sum()), int((gains < 0).sum()), len(gains), level)
    else:
        interval = bootstrap(mean(gains), names, level=level)
    return interval if gains.any() else msgspec.structs.replace(interval, note=SAME)


def _bounds(
    metric: Metric, sides: tuple[MetricScores, MetricScores], items: int
) -> tuple[float, float] | None:
    """The least and the greatest gain over all items, whatever the unscored are (Manski 1989)."""
    before, after = (bounds(metric, side, items) for side in sides)
    if before is None or after is None:
        return None
    (low, high), (after_low, after_high) = before, after
    if metric.better == "higher":
        return after_low - high, after_high - low
    return low - after_high, high - after_low


def _withheld(
    sides: tuple[MetricScores, MetricScores],
    counts: Sequence[tuple[int, int]],
    both: int,
    items: int,
) -> str | None:
    """Why the difference counts for no headline, None if it does.

    `counts` are each side's answers that have a score, and all; `both` are the items that have a
    score on both sides.
    """
    thin = [
        f"{scored:,} of {asked:,} answers of the {name} model have a score{_commonest_reason(side)}"
        for name, side, (scored, asked) in zip(SIDES, sides, counts, strict=True)
        if not headline(scored, asked)
    ]
    if thin:
        return (
            f"{' and '.join(thin)}; a headline takes {FLOOR:.0%}: finish the evaluation, or score "
            "its answers again with --rescore"
        )
    if not headline(both, items):
        return (
            f"{both:,} of {items:,} items have a score on both sides; a headline takes {FLOOR:.0%}"
        )
    return None


def _commonest_reason(side: MetricScores) -> str:
    """The commonest reason for having no score."""
    why = reasons(side).most_common(1)
    return f" (mostly: {why[0][0]})" if why else ""
