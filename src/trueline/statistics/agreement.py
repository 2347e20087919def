"""How far raters agree: Krippendorff's α, Cohen's and Fleiss's κ, and raw agreement.

Ratings are (units, raters): one sequence a unit, of values of any kind, None or nan where a rater
gave none.  Each function gives a `Statistic`, whose `value` is the coefficient and which
`resample.bootstrap` puts an interval round, by resampling units.

A coefficient is 1 where all agree, 0 where they agree as often as chance, and below 0 where less
often.  It is nan where nothing was rated twice, and where only one value was ever given: agreement
by chance is then perfect too, and says nothing about the raters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueline.statistics.distance import Metric, jaccard, masi
from trueline.statistics.sums import Array, Statistic, divide

Ratings = Sequence[Sequence[Any]] | NDArray[Any]

_SETS = {"masi": masi, "jaccard": jaccard}

# The krippendorff package gives the coefficient alone: no sums to resample, no distance between
# sets, and it raises where one value was ever given.


def krippendorff(ratings: Ratings, metric: Metric = "nominal") -> Statistic:
    """Krippendorff's α (2011, "Computing Krippendorff's Alpha-Reliability"), any number of raters,
    any of them missing; a unit with fewer than two ratings counts for nothing.

    Values of "ordinal" and "interval" are numbers; of "masi" and "jaccard" they are collections,
    compared as sets (Passonneau 2006).  For answers that name some of several options take "masi":
    a rater who names one option more is nearer than one who names another instead.
    """
    if metric == "interval":
        return _interval(ratings)
    values, counts = _counted(ratings, sets=metric in _SETS)
    counts[counts.sum(axis=1) < 2] = 0
    if metric == "ordinal":
        order = np.argsort([float(v) for v in values])
        return _ordinal(counts[:, order])
    apart = _SETS[metric](values) if metric in _SETS else 1 - np.eye(len(values))
    within = ((counts @ apart) * counts).sum(axis=1)

    def of(sums: Array) -> Array:
        totals = sums[..., 1:]
        expected = ((totals @ apart) * totals).sum(axis=-1)
        return 1 - divide((totals.sum(axis=-1) - 1) * sums[..., 0], expected)

    return Statistic(np.column_stack([within * _per_pair(counts.sum(axis=1)), counts]), of)


def cohen(
    pairs: Ratings,
    weights: Literal["nominal", "linear", "quadratic"] | ArrayLike = "nominal",
    values: Sequence[Any] | None = None,
) -> Statistic:
    """Cohen's κ (1960) of two raters, weighted (1968) where `weights` are not nominal; a pair with
    a missing rating counts for nothing.

    "linear" and "quadratic" weigh the distance of values that are numbers.  A matrix (K, K) holds
    the weights of disagreement of `values`, first rater down, 0 on the diagonal.
    """
    values, table = _crossed(pairs, values)
    apart = _weights(weights, values)
    size = len(values)

    def of(sums: Array) -> Array:
        cells = sums.reshape(*sums.shape[:-1], size, size)
        total = cells.sum(axis=(-2, -1))
        chance = np.einsum("...i,...j,ij->...", cells.sum(axis=-1), cells.sum(axis=-2), apart)
        return 1 - divide((cells * apart).sum(axis=(-2, -1)) * total, chance)

    return Statistic(table.reshape(len(table), size * size), of)


def fleiss(ratings: Ratings) -> Statistic:
    """Fleiss's κ (1971): every unit rated by the same number of raters, not always the same ones.
    Raises ValueError where the numbers differ: `krippendorff` allows for that."""
    _, counts = _counted(ratings)
    raters = counts.sum(axis=1)
    if len(counts) and (raters.min() < 2 or raters.min() != raters.max()):
        raise ValueError(
            f"Fleiss's kappa needs the same number of ratings of each unit, two or more, not "
            f"{int(raters.min())} to {int(raters.max())}: krippendorff() allows for missing ones"
        )
    rows = np.column_stack([_agreeing(counts), np.ones(len(counts)), counts])

    def of(sums: Array) -> Array:
        seen = divide(sums[..., 0], sums[..., 1])
        totals = sums[..., 2:]
        chance = (divide(totals, totals.sum(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
        return divide(seen - chance, 1 - chance)

    return Statistic(rows, of)


def raw(ratings: Ratings) -> Statistic:
    """Raw agreement: the share of agreeing pairs of raters, averaged over the units with two
    ratings or more.  It owes something to chance, and more the rarer one of two answers is."""
    _, counts = _counted(ratings)
    rated = (counts.sum(axis=1) >= 2).astype(np.float64)
    return Statistic(
        np.column_stack([_agreeing(counts) * rated, rated]),
        lambda sums: divide(sums[..., 0], sums[..., 1]),
    )


def _interval(ratings: Ratings) -> Statistic:
    """Squared differences need no table of values: their sums follow from two moments."""
    given = [[float(v) for v in unit if not _missing(v)] for unit in ratings]
    given = [unit if len(unit) > 1 else [] for unit in given]
    every = [value for unit in given for value in unit]
    middle = sum(every) / len(every) if every else 0.0  # so that large values lose no digits
    moments = np.array(
        [[len(u), sum(v - middle for v in u), sum((v - middle) ** 2 for v in u)] for u in given]
    ).reshape(-1, 3)
    within = _scatter(moments) * _per_pair(moments[:, 0])

    def of(sums: Array) -> Array:
        return 1 - divide((sums[..., 1] - 1) * sums[..., 0], _scatter(sums[..., 1:]))

    return Statistic(np.column_stack([within, moments]), of)


def _scatter(moments: Array) -> Array:
    """Σ (a - b)² over all ordered pairs, from their number, sum and sum of squares."""
    count, total, squares = np.moveaxis(moments, -1, 0)
    apart = 2 * (count * squares - total**2)
    return np.where(apart > 1e-12 * count * squares, apart, 0.0)


def _ordinal(counts: Array) -> Statistic:
    """Distances are between mean ranks, which every resample has its own of; so the sums are the
    frequencies of the values and of the pairs of values that met in one unit."""
    first, second = np.nonzero(np.triu(counts.T @ counts, 1))
    met = 2 * counts[:, first] * counts[:, second] * _per_pair(counts.sum(axis=1))[:, None]
    size = counts.shape[1]

    def of(sums: Array) -> Array:
        totals = sums[..., :size]
        ranks = np.cumsum(totals, axis=-1) - totals / 2
        seen = (sums[..., size:] * (ranks[..., first] - ranks[..., second]) ** 2).sum(axis=-1)
        moments = [totals.sum(axis=-1), (totals * ranks).sum(-1), (totals * ranks**2).sum(-1)]
        return 1 - divide((moments[0] - 1) * seen, _scatter(np.stack(moments, axis=-1)))

    return Statistic(np.column_stack([counts, met]), of)


def _counted(ratings: Ratings, sets: bool = False) -> tuple[list[Any], Array]:
    """The values that occur, and how often (units, K) each unit was given each."""
    codes: dict[Any, int] = {}
    cells = [
        (unit, codes.setdefault(_set(value) if sets else value, len(codes)))
        for unit, row in enumerate(ratings)
        for value in row
        if not _missing(value)
    ]
    counts = np.zeros((len(ratings), len(codes)))
    if cells:
        np.add.at(counts, tuple(np.array(cells).T), 1)
    return list(codes), counts


def _crossed(pairs: Ratings, values: Sequence[Any] | None) -> tuple[list[Any], Array]:
    """The values in order, and (units, K, K) with a 1 where the two raters' answers cross."""
    rows = [tuple(pair) for pair in pairs]
    if wrong := next((row for row in rows if len(row) != 2), None):
        raise ValueError(f"a pair holds two ratings, not {len(wrong)}")
    both = [(unit, *row) for unit, row in enumerate(rows) if not any(map(_missing, row))]
    named = list(dict.fromkeys(v for _, *row in both for v in row))
    if values is not None:
        if strange := [v for v in named if v not in values]:
            raise ValueError(f"{strange[0]!r} is none of the values {list(values)}")
        named = list(values)
    elif _sortable(named):
        named.sort()
    code = {value: place for place, value in enumerate(named)}
    table = np.zeros((len(rows), len(named), len(named)))
    for unit, first, second in both:
        table[unit, code[first], code[second]] = 1
    return named, table


def _weights(weights: Any, values: Sequence[Any]) -> Array:
    if isinstance(weights, str):
        if weights == "nominal":
            return 1 - np.eye(len(values))
        power = {"linear": 1, "quadratic": 2}[weights]
        numbers = np.array([float(v) for v in values])
        gaps: Array = np.abs(np.subtract.outer(numbers, numbers))
        return gaps**power
    apart = np.asarray(weights, dtype=np.float64)
    if apart.shape != (len(values),) * 2 or np.diag(apart).any():
        raise ValueError(
            f"weights of {len(values)} values are a square of them, 0 where they agree"
        )
    return apart


def _agreeing(counts: Array) -> Array:
    """The share of each unit's pairs of ratings that agree."""
    raters = counts.sum(axis=1)
    return np.nan_to_num(divide((counts * (counts - 1)).sum(axis=1), raters * (raters - 1)))


def _per_pair(raters: Array) -> Array:
    """1 / (m - 1): each rating meets m - 1 others, and still counts once."""
    return np.where(raters > 1, 1 / np.maximum(raters - 1, 1), 0.0)


def _missing(value: Any) -> bool:
    return value is None or value != value


def _set(value: Any) -> frozenset[Any]:
    if isinstance(value, str):
        raise ValueError(f"a collection of options was expected, not the text {value!r}")
    return frozenset(value)


def _sortable(values: Sequence[Any]) -> bool:
    return all(isinstance(v, int | float | np.number) for v in values) or all(
        isinstance(v, str) for v in values
    )
