"""What the unscored could change: coverage, the floor under a headline, best and worst case."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import ArrayLike

from trueline.statistics.sums import vector

FLOOR = 0.98
"""The share of items that must be scored before a headline is printed, unless another is set."""


def coverage(scored: int, total: int) -> float | None:
    """The share of items that have a score; None of no items."""
    if not 0 <= scored <= total:
        raise ValueError(f"{scored} of {total} items cannot be scored")
    return scored / total if total else None


def headline(scored: int, total: int, floor: float = FLOOR) -> bool:
    """Whether a headline may be printed: the coverage is at the floor or above, of one item at
    least."""
    if not 0 <= floor <= 1:
        raise ValueError(f"a floor of coverage lies in [0, 1], not {floor}")
    share = coverage(scored, total)
    return share is not None and share >= floor


def extremes(
    values: ArrayLike, unscored: int, low: float, high: float
) -> tuple[float, float] | None:
    """The least and the greatest mean that values (scored,) could have, had the unscored been
    scored too, each somewhere in [low, high] (Manski 1989).

    Nothing is assumed about why they are unscored; which end is the best case, the question says.
    For a difference of two means take the least of one minus the greatest of the other.  None of no
    items at all.  Raises ValueError for values outside the range, or a range without ends.
    """
    given = vector(values, "values")
    if unscored < 0 or not (isfinite(low) and isfinite(high) and low <= high):
        raise ValueError(f"{unscored} unscored in [{low}, {high}] have no best and worst case")
    if given.size and (given.min() < low or given.max() > high):
        raise ValueError(f"values from {given.min()} to {given.max()} leave [{low}, {high}]")
    total = given.size + unscored
    if not total:
        return None
    scored = float(np.sum(given))
    return (scored + unscored * low) / total, (scored + unscored * high) / total
