"""Bootstrap intervals of any statistic of sums: plain, paired and clustered."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from trueline.statistics.intervals import Interval, student_quantile, undefined
from trueline.statistics.sums import Array, Statistic, by_cluster

FEW = 20
"""With fewer units or clusters than this, an interval says that it rests on few."""

_NORMAL = NormalDist()
_CELLS = 1 << 21  # of a chunk of weights: 16 MiB

# scipy's bootstrap knows no clusters, and it calls the statistic on the resampled data themselves:
# with sums, ten thousand resamples of α are one matrix product.


def bootstrap(
    statistic: Statistic,
    clusters: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The BCa interval (Efron 1987) of a statistic, by resampling its units with replacement.

    `clusters` (units,) names what belongs together (answers to one prompt, items of one source):
    whole clusters are then drawn, since what belongs together is not independent.  Units that
    carry nothing (all their sums are 0: rated once, say) are not drawn.  One seed gives one result.

    Limits are widened as Student's t asks with that many units (Hesterberg 2015, The American
    Statistician 69:371).  For a plain proportion take `wilson`, which needs no spread to go by; for
    few clusters no interval is sure, and the note says so.  Limits are None if the statistic is
    undefined, rests on one unit, or is the same in every resample (all agree: that disagreement is
    rare is then known, but not how rare).
    """
    rows = statistic.rows if clusters is None else by_cluster(statistic.rows, clusters)
    rows, counts = _distinct(rows[rows.any(axis=1)])
    units, total = int(counts.sum()), counts @ rows
    estimate = float(statistic.of(total))
    half = student_quantile(level, units - 1)  # raises where the level is none
    if np.isnan(estimate):
        return undefined(units, level, "the statistic is undefined")
    if units < 2:
        return Interval(estimate, None, None, units, level, "one unit has no spread")
    drawn = np.concatenate([statistic.of(w @ rows) for w in _weights(counts, resamples, seed)])
    defined = np.sort(drawn[~np.isnan(drawn)])
    slack = 1e-12 * max(1.0, abs(estimate))
    if not len(defined) or defined[-1] - defined[0] <= slack:
        why = "the same in every resample: no spread"
        return Interval(estimate, None, None, units, level, why)
    tail = _NORMAL.cdf(-half * sqrt(units / (units - 1)))
    quantiles = _bca(defined, estimate, slack, (statistic.of(total - rows), counts), tail)
    low, high = np.quantile(defined, quantiles)
    what = "units" if clusters is None else "clusters"
    notes = [f"only {units} {what}: the limits are rough"] if units < FEW else []
    if lost := len(drawn) - len(defined):
        notes.append(f"undefined in {lost} of {len(drawn)} resamples, which are left out")
    return Interval(estimate, float(low), float(high), units, level, "; ".join(notes))


def _bca(
    drawn: Array, estimate: float, slack: float, left_out: tuple[Array, Array], tail: float
) -> tuple[float, float]:
    """Which quantiles of the draws are the limits, with Efron's bias and acceleration; `left_out`
    holds the statistic without each distinct row, and how many units have that row."""
    below = np.count_nonzero(drawn < estimate - slack)
    equal = np.count_nonzero(np.abs(drawn - estimate) <= slack)
    share = (below + equal / 2) / len(drawn)
    edge = 0.5 / len(drawn)
    bias = _NORMAL.inv_cdf(min(max(share, edge), 1 - edge))
    without, many = (array[~np.isnan(left_out[0])] for array in left_out)
    gaps = many @ without / max(many.sum(), 1) - without
    spread = float(many @ gaps**2)
    acceleration = float(many @ gaps**3) / (6 * spread**1.5) if spread > 0 else 0.0

    def quantile(z: float) -> float:
        moved = bias + z
        # past the pole the correction has no meaning; the limit is then the last draw
        shrink = max(1 - acceleration * moved, 1e-9)
        return _NORMAL.cdf(bias + moved / shrink)

    z = _NORMAL.inv_cdf(tail) if tail > 0 else -40.0
    return quantile(z), quantile(-z)


def _distinct(rows: Array) -> tuple[Array, Array]:
    """The rows in one order, and how many units have each: answers are often few kinds of row, and
    then a resample is a draw of so many of each kind, at a hundredth of the cost."""
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    if len(kinds) * 6 > len(rows):  # a kind costs six times what a unit does
        kinds, counts = np.repeat(kinds, counts, axis=0), np.ones(len(rows), int)
    return kinds, counts.astype(np.float64)


def _weights(counts: Array, resamples: int, seed: int) -> Iterator[Array]:
    """How often each row is drawn, (some, rows), until `resamples` of them have been given."""
    draw = np.random.default_rng(seed)
    units, rows = int(counts.sum()), len(counts)
    step = max(1, _CELLS // rows)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        if rows < units:
            yield draw.multinomial(units, counts / units, size=count).astype(np.float64)
            continue
        index = draw.integers(rows, size=(count, rows))
        index += np.arange(count)[:, None] * rows
        drawn = np.bincount(index.ravel(), minlength=count * rows)
        yield drawn.reshape(count, rows).astype(np.float64)
