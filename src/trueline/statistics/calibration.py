"""Whether stated probabilities come true: the calibration error, and Brier's score."""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import ArrayLike

from trueline.statistics.sums import Array, Statistic, mean, vector


def expected_calibration_error(
    probabilities: ArrayLike, outcomes: ArrayLike, bins: int = 10
) -> float:
    """The mean gap between what was stated and what was so, over bins of about equal mass, weighed
    by their size (Naeini, Cooper and Hauskrecht 2015); 0 is perfect, nan of none.

    It is biased upward in small bins: perfectly calibrated forecasts have a gap of about
    0.8·√(p(1-p)/n) in a bin of n.  So compare it at one size and number of bins alone.
    """
    stated, seen = _checked(probabilities, outcomes)
    gaps = [abs(float((stated[own] - seen[own]).sum())) for own in _bins(stated, bins)]
    return sum(gaps) / len(stated) if gaps else nan


def brier(probabilities: ArrayLike, outcomes: ArrayLike) -> Statistic:
    """The mean squared gap between probability and outcome: 0 is perfect, ¼ is always saying ½.

    It is half of the score in Brier (1950), who summed over both classes of an event.
    """
    stated, seen = _checked(probabilities, outcomes)
    return mean((stated - seen) ** 2)


def _bins(stated: Array, bins: int) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    if bins < 1:
        raise ValueError(f"a calibration error needs a bin or more, not {bins}")
    if not len(stated):
        return []
    ordered = np.sort(stated)
    edges = np.unique(ordered[[len(ordered) * cut // bins for cut in range(1, bins)]])
    place = np.searchsorted(edges, stated, side="right")
    return [place == number for number in np.unique(place)]


def _checked(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[Array, Array]:
    stated, seen = vector(probabilities, "probabilities"), vector(outcomes, "outcomes")
    if stated.shape != seen.shape:
        raise ValueError(f"{len(stated)} probabilities of {len(seen)} outcomes")
    if ((stated < 0) | (stated > 1)).any() or not np.isin(seen, (0, 1)).all():
        raise ValueError("probabilities lie in [0, 1], and outcomes are 0 or 1")
    return stated, seen
