"""Wilson's and Student's figures are the published ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trueline.statistics.intervals import bonett_price, student_quantile, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_in_newcombe_1998(successes: int, trials: int, low: float, high: float) -> None:
    found = wilson(successes, trials)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    mirrored = wilson(trials - successes, trials)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high))


@pytest.mark.parametrize(("trials", "share"), [(10, 0.1), (50, 0.02), (200, 0.5), (30, 0.9)])
def test_wilson_covers_on_average(trials: int, share: float) -> None:
    # exact: the chance of each count, summed over the counts whose interval holds the share
    counts = np.arange(trials + 1)
    logs = [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
            + k * math.log(share) + (trials - k) * math.log(1 - share) for k in counts]  # fmt: skip
    held = [wilson(int(k), trials) for k in counts]
    cover = sum(math.exp(p) for p, i in zip(logs, held, strict=True) if i.low <= share <= i.high)
    assert 0.92 < cover < 0.99


@pytest.mark.parametrize(
    ("pairs", "up", "down"),
    [(25, 0.12, 0.0), (25, 0.1, 0.1), (50, 0.02, 0.01), (100, 0.2, 0.1), (40, 0.9, 0.02)],
)
def test_paired_proportions_cover(pairs: int, up: float, down: float) -> None:
    # exact: the chance of each pair of counts, summed where their interval holds the difference
    stay, cover = 1 - up - down, 0.0
    for gained in range(pairs + 1):
        for lost in range(pairs + 1 - gained):
            if lost and not down:
                continue
            rest = pairs - gained - lost
            ways = math.lgamma(pairs + 1) - sum(math.lgamma(k + 1) for k in (gained, lost, rest))
            logs = gained * math.log(up) + (lost * math.log(down) if lost else 0.0)
            found = bonett_price(gained, lost, pairs)
            held = found.low <= up - down <= found.high
            cover += held * math.exp(ways + logs + rest * math.log(stay))
    assert 0.93 < cover <= 1


def test_few_pairs_that_differ_do_not_exclude_no_difference() -> None:
    assert bonett_price(3, 0, 25).low < 0 < bonett_price(3, 0, 25).high
    same = bonett_price(0, 0, 25)
    assert same.low == -same.high and 0.05 < same.high < 0.2 and same.estimate == 0
    mirrored = bonett_price(2, 9, 40)
    found = bonett_price(9, 2, 40)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
    assert bonett_price(25, 0, 25).high == 1 and bonett_price(0, 0, 0).estimate is None
    with pytest.raises(ValueError, match="no proportion"):
        bonett_price(3, 3, 5)


def test_limits_stay_within_and_around() -> None:
    for trials in range(1, 80):
        for successes in range(trials + 1):
            found = wilson(successes, trials)
            assert 0 <= found.low <= found.estimate <= found.high <= 1
        assert wilson(0, trials).low == 0 and wilson(trials, trials).high == 1


def test_a_wider_level_gives_a_wider_interval() -> None:
    assert wilson(3, 10, 0.99).low < wilson(3, 10).low < wilson(3, 10, 0.5).low < 0.3


def test_no_trials_say_nothing() -> None:
    found = wilson(0, 0)
    assert found.estimate is None and (found.low, found.high) == (0, 1) and found.note
    with pytest.raises(ValueError, match="3 successes in 2"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, 95)


@pytest.mark.parametrize(
    ("freedom", "printed"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (10, 2.228), (30, 2.042), (120, 1.980), (10**6, 1.960)],
)
def test_student_as_in_every_table(freedom: int, printed: float) -> None:
    assert round(student_quantile(0.95, freedom), 3) == printed


def test_student_is_continuous_where_the_formula_changes() -> None:
    assert student_quantile(0.95, 2001) == pytest.approx(student_quantile(0.95, 2000), rel=1e-5)
