"""What the unscored could change, and when there is no headline."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trueline.statistics.coverage import coverage, extremes, headline


def test_best_and_worst_case_are_what_filling_in_would_give() -> None:
    scored = [1, 0, 1, 1]
    low, high = extremes(scored, 2, 0, 1)
    assert low == pytest.approx(np.mean([*scored, 0, 0]))
    assert high == pytest.approx(np.mean([*scored, 1, 1]))
    assert extremes(scored, 0, 0, 1) == (0.75, 0.75)
    assert extremes([], 3, -1, 2) == (-1, 2)
    assert extremes([], 0, 0, 1) is None


def test_the_truth_lies_between_whatever_goes_missing() -> None:
    draw = np.random.default_rng(0)
    for _ in range(100):
        full = draw.integers(1, 6, size=20)
        seen = full[full <= draw.integers(0, 6)]  # missing for a reason that depends on the value
        low, high = extremes(seen, 20 - len(seen), 1, 5)
        assert low <= full.mean() <= high


def test_the_floor() -> None:
    assert headline(98, 100) and headline(49, 50) and headline(294, 300)
    assert not headline(97, 100) and not headline(979, 1000) and not headline(0, 0)
    assert headline(7, 10, floor=0.7) and not headline(6, 10, floor=0.7)
    assert headline(29, 100, floor=0.29)
    assert coverage(0, 0) is None and coverage(7, 10) == 0.7


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="11 of 10"):
        coverage(11, 10)
    with pytest.raises(ValueError, match="floor"):
        headline(1, 1, floor=98)
    with pytest.raises(ValueError, match="leave"):
        extremes([0, 6], 1, 1, 5)
    with pytest.raises(ValueError, match="no best and worst"):
        extremes([0.5], 1, 0, math.inf)
