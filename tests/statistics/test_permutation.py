"""Permutation tests: the published example, uniform under the null, and what clusters change."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from trueline.statistics.permutation import sign_flip

SIMULATIONS = 600
# Darwin's maize, crossed less self-fertilised, in eighths of an inch: Fisher (1935), section 21
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def at_or_below(threshold: float, once: Callable[[np.random.Generator], float]) -> float:
    draw = np.random.default_rng(5)
    return sum(once(draw) <= threshold for _ in range(SIMULATIONS)) / SIMULATIONS


def close(share: float, expected: float) -> bool:
    return abs(share - expected) < 3 * math.sqrt(expected * (1 - expected) / SIMULATIONS)


def test_fishers_exact_count() -> None:
    assert sign_flip(MAIZE, resamples=2**15) == 2 * 863 / 2**15
    drawn = sign_flip(MAIZE, resamples=20_000)
    assert drawn != 2 * 863 / 2**15 and drawn == pytest.approx(0.0527, abs=0.005)


@pytest.mark.parametrize("threshold", [0.05, 0.5])
@pytest.mark.parametrize("units", [10, 40])
def test_signs_under_the_null(threshold: float, units: int) -> None:
    def once(draw: np.random.Generator) -> float:
        return sign_flip(draw.standard_t(3, size=units), resamples=1023)

    assert close(at_or_below(threshold, once), threshold)


def test_signs_of_clusters_hold_where_signs_of_units_do_not() -> None:
    names = np.repeat(np.arange(12), 8)

    def values(draw: np.random.Generator) -> np.ndarray:
        return draw.normal(size=12)[names] + draw.normal(size=96)

    share = at_or_below(0.05, lambda draw: sign_flip(values(draw), names, resamples=511))
    assert close(share, 0.05)
    assert at_or_below(0.05, lambda draw: sign_flip(values(draw), resamples=511)) > 0.2


def test_a_difference_is_found_and_p_is_never_zero() -> None:
    draw = np.random.default_rng(0)
    assert sign_flip(draw.normal(2, 1, size=100), resamples=999) == 1 / 1000


def test_ties_and_nothing() -> None:
    assert sign_flip([0, 0, 0]) == 1
    assert sign_flip([1, -1]) == 1
    assert sign_flip([0.1, 0.2, 0.3]) == 2 / 8  # as extreme with all three signs turned
    assert sign_flip([]) is None
    whole = [3, 0, -4, -4, -9, -8, -9, -6, 6, 3]  # in tenths, sums that tie differ in a last digit
    assert sign_flip([x / 10 for x in whole]) == sign_flip(whole)
    with pytest.raises(ValueError, match="differences"):
        sign_flip([math.nan])
