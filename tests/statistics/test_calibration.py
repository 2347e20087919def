"""Calibration: forecasts that come true lie on the line, others off it by their error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trueline.statistics.calibration import brier, expected_calibration_error


def forecasts(units: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(6)
    stated = draw.uniform(0.2, 0.8, size=units)
    return stated, (draw.random(units) < stated + shift).astype(int)


def test_briers_own_example() -> None:
    # Brier (1950), table 1: ten forecasts of rain; he sums over rain and no rain, we over rain
    stated = [0.7, 0.9, 0.8, 0.4, 0.2, 0, 0, 0, 0, 0.1]
    rained = [0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert 2 * brier(stated, rained).value == pytest.approx(0.19)


def test_calibrated_forecasts_have_hardly_any_error() -> None:
    assert expected_calibration_error(*forecasts(4000)) < 0.03


def test_forecasts_that_are_off_are_off_by_as_much() -> None:
    assert expected_calibration_error(*forecasts(4000, 0.2)) == pytest.approx(0.2, abs=0.02)


def test_small_bins_make_calibrated_forecasts_look_worse() -> None:
    stated, seen = forecasts(400)
    few, many = (expected_calibration_error(stated, seen, bins) for bins in (4, 100))
    assert few < 0.06 and many == pytest.approx(0.8 * math.sqrt(0.22 / 4), rel=0.2)


def test_equal_probabilities_share_a_bin() -> None:
    stated, seen = [0.9] * 30 + [0.1] * 10, [1] * 24 + [0] * 6 + [0] * 10
    # two bins, whatever is asked for: a gap of .1 in each
    assert expected_calibration_error(stated, seen) == pytest.approx(0.1)
    assert expected_calibration_error(stated, seen, 40) == pytest.approx(0.1)


def test_nothing_and_nonsense() -> None:
    assert math.isnan(expected_calibration_error([], [])) and math.isnan(brier([], []).value)
    for stated, seen in (([1.2], [1]), ([0.5], [0.5]), ([0.5], [1, 0]), ([math.nan], [1])):
        with pytest.raises(ValueError):
            brier(stated, seen)
    with pytest.raises(ValueError, match="a bin or more"):
        expected_calibration_error([0.5], [1], bins=0)
