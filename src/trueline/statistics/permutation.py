"""Permutation tests of a difference of means: paired by flipping signs, unpaired by dealing anew.

Both are two-sided, and exact tests of their null hypothesis at any size: under it the p-value is at
or below any α with at most that probability.  A p-value never is 0: what was seen counts as one of
the permutations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from trueline.statistics.sums import Array, by_cluster, vector

_CELLS = 1 << 21

# scipy's permutation_test has no clusters, and permutes the data where signs of sums would do.


def sign_flip(
    differences: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> float | None:
    """The p-value of paired differences (units,) having the mean 0.

    The null hypothesis: each difference is as likely as its opposite, independently of the others;
    with `clusters` (units,), all differences of a cluster together.  All sign patterns are gone
    through if there are no more than `resamples`, and as many are drawn otherwise.  None of none.
    """
    sums = vector(differences, "differences")[:, None]
    if clusters is not None:
        sums = by_cluster(sums, clusters)
    column = sums[sums[:, 0] != 0, 0]  # a zero has no sign to flip
    if not len(column):
        return 1.0 if len(sums) else None
    seen = _reached(abs(column.sum()), np.abs(column).sum())
    if 2 ** len(column) <= resamples:
        patterns = np.arange(2 ** len(column))[:, None] >> np.arange(len(column)) & 1
        return float((np.abs((1 - 2 * patterns) @ column) >= seen).mean())
    draw = np.random.default_rng(seed)

    def flipped(count: int) -> Array:
        signs = draw.integers(2, size=(count, len(column)), dtype=np.int8)
        sums: Array = (1.0 - 2.0 * signs) @ column
        return np.abs(sums)

    return _p_value(flipped, seen, resamples, len(column))


def _p_value(draw: Callable[[int], Array], seen: float, resamples: int, units: int) -> float:
    extreme = sum(int((draw(count) >= seen).sum()) for count in _chunks(resamples, units))
    return (1 + extreme) / (1 + resamples)


def _reached(seen: float, scale: float) -> float:
    """From where on a draw is as extreme: sums in another order differ in the last digits."""
    return seen - 1e-12 * scale


def _chunks(resamples: int, units: int) -> Iterator[int]:
    step = max(1, _CELLS // units)
    yield from (min(step, resamples - start) for start in range(0, resamples, step))
