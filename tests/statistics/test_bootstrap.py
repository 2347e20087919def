"""Bootstrap intervals hold the truth as often as they say, or say that they cannot."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from trueline.statistics.agreement import cohen, krippendorff, raw
from trueline.statistics.intervals import Interval, student_quantile
from trueline.statistics.resample import bootstrap
from trueline.statistics.sums import Statistic, difference, mean

# Efron and Tibshirani (1993), table 14.1: the first of the two spatial tests of 26 children
SPATIAL = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24,
           26, 30, 41]  # fmt: skip
SIMULATIONS = 400
ERROR = 3 * math.sqrt(0.95 * 0.05 / SIMULATIONS)  # three standard errors of a coverage of 95 %


def seeded(draw: np.random.Generator) -> int:
    # one seed for all would share the error of its resamples among all simulations
    return int(draw.integers(1 << 31))


def held(truth: float, once: Callable[[np.random.Generator], Interval]) -> float:
    """The share of simulated intervals that hold the truth."""
    draw = np.random.default_rng(11)
    found = [once(draw) for _ in range(SIMULATIONS)]
    return sum(i.low <= truth <= i.high for i in found) / SIMULATIONS


def ratings(draw: np.random.Generator, units: int, wrong: float) -> np.ndarray:
    """(units, 2): one of three values, which each rater mistakes with the chance `wrong`."""
    shares = (0.5, 0.2, 0.3)
    truth = draw.choice(3, size=(units, 1), p=shares)
    mistaken = draw.random((units, 2)) < wrong
    return np.where(mistaken, draw.choice(3, size=(units, 2), p=shares), truth)


def clustered(draw: np.random.Generator, clusters: int) -> tuple[np.ndarray, np.ndarray]:
    names = np.repeat(np.arange(clusters), draw.integers(1, 20, size=clusters))
    return draw.normal(size=clusters)[names] + draw.normal(size=len(names)), names


def test_a_mean_of_few() -> None:
    def once(draw: np.random.Generator) -> Interval:
        return bootstrap(mean(draw.normal(2, 1, size=15)), resamples=1000, seed=seeded(draw))

    assert abs(held(2, once) - 0.95) < ERROR


def test_the_variance_of_efron_and_tibshirani() -> None:
    given = np.array(SPATIAL, dtype=float)
    rows = np.stack([np.ones(26), given, given**2], axis=1)
    variance = Statistic(rows, lambda s: s[..., 2] / s[..., 0] - (s[..., 1] / s[..., 0]) ** 2)
    # their limits at 90 % are without Student's widening, which 88 % with 26 units makes up for
    found = bootstrap(variance, level=0.88, resamples=100_000)
    assert round(found.estimate, 1) == 171.5
    # from 2,000 resamples they have 115.8 and 259.6; percentiles would be 100.8 and 233.9
    assert (found.low, found.high) == pytest.approx((115.8, 259.6), abs=3)


def test_of_few_symmetric_values_the_limits_are_students() -> None:
    values = np.random.default_rng(0).normal(size=12)
    values = np.concatenate([values, -values])[:24:2]
    values -= values.mean()
    found = bootstrap(mean(values), resamples=100_000)
    half = student_quantile(0.95, 11) * values.std(ddof=1) / math.sqrt(12)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.04)


def test_a_paired_difference_is_narrow_and_covers() -> None:
    def once(draw: np.random.Generator) -> Interval:
        hard = draw.normal(0, 3, size=60)
        better = mean(hard + draw.normal(0.5, 1, size=60))
        return bootstrap(difference(better, mean(hard)), resamples=1000, seed=seeded(draw))

    assert abs(held(0.5, once) - 0.95) < ERROR
    found = once(np.random.default_rng(0))
    assert found.high - found.low < 1  # unpaired it would be over 2


@pytest.mark.parametrize(
    ("units", "wrong", "truth"), [(450, 0.015, 0.9702), (60, 0.2, 0.64), (60, 0.45, 0.3025)]
)
def test_alpha_near_perfect_and_poor(units: int, wrong: float, truth: float) -> None:
    # a rater who errs draws from the shares, so that alpha is (1 - wrong)²
    assert truth == pytest.approx((1 - wrong) ** 2, abs=1e-4)

    def once(draw: np.random.Generator) -> Interval:
        return bootstrap(
            krippendorff(ratings(draw, units, wrong)), resamples=1000, seed=seeded(draw)
        )

    assert 0.95 - ERROR < held((1 - wrong) ** 2, once) < 0.99


def test_few_clusters_are_covered_and_said_so() -> None:
    def once(draw: np.random.Generator) -> Interval:
        values, names = clustered(draw, 12)
        return bootstrap(mean(values), names, resamples=1000, seed=seeded(draw))

    assert 0.95 - ERROR - 0.02 < held(0, once) < 0.98
    found = once(np.random.default_rng(0))
    assert found.units == 12 and "only 12 clusters" in found.note


def test_without_their_clusters_units_look_surer_than_they_are() -> None:
    def once(draw: np.random.Generator) -> Interval:
        return bootstrap(mean(clustered(draw, 15)[0]), resamples=500, seed=seeded(draw))

    def with_them(draw: np.random.Generator) -> Interval:
        values, names = clustered(draw, 15)
        return bootstrap(mean(values), names, resamples=500, seed=seeded(draw))

    assert held(0, once) < 0.7
    assert 0.95 - ERROR - 0.02 < held(0, with_them) < 0.98


def test_clusters_of_one_are_units_and_their_names_do_not_matter() -> None:
    values = np.random.default_rng(1).normal(size=40)
    plain = bootstrap(mean(values))
    assert bootstrap(mean(values), np.arange(40)) == plain
    names = np.array([f"prompt {i // 2:02d}" for i in range(40)])
    shuffled = np.random.default_rng(2).permutation(40)
    both = bootstrap(mean(values), names), bootstrap(mean(values[shuffled]), names[shuffled])
    assert both[0].units == 20
    assert (both[0].low, both[0].high) == pytest.approx((both[1].low, both[1].high))


def test_a_seed_gives_one_result() -> None:
    statistic = cohen(ratings(np.random.default_rng(0), 50, 0.2))
    assert bootstrap(statistic, seed=3) == bootstrap(statistic, seed=3)
    assert bootstrap(statistic, seed=3) != bootstrap(statistic, seed=4)


def test_drawing_kinds_of_row_is_drawing_units() -> None:
    draw = np.random.default_rng(0)
    answers = (draw.random(300) < 0.8).astype(float)
    kinds = bootstrap(mean(answers), resamples=40_000)
    # no two rows are equal here, so that units are drawn one by one
    apart = bootstrap(mean(answers + 1e-6 * draw.random(300)), resamples=40_000)
    assert (apart.low, apart.high) == pytest.approx(
        (kinds.low, kinds.high), abs=0.004
    )  # one item is 0.0033


def test_chunks_join_to_the_number_of_resamples_asked_for() -> None:
    # one item in 3,000 differs: 37 % of the resamples miss it, whatever the chunks are
    found = bootstrap(krippendorff([(1, 1)] * 2999 + [(0, 1)]), resamples=2000)
    assert "of 2000 resamples" in found.note
    lost = int(found.note.split("undefined in ")[1].split()[0])
    assert 0.33 < lost / 2000 < 0.41


def test_units_that_carry_nothing_are_not_counted() -> None:
    pairs = [("a", "b"), ("a", "a"), ("b", "b"), ("b", "b")] * 10
    without = bootstrap(krippendorff(pairs))
    assert bootstrap(krippendorff([*pairs, *[("a", None)] * 100])) == without
    assert without.units == 40


@pytest.mark.parametrize(
    ("statistic", "estimate", "note"),
    [
        (mean([]), None, "undefined"),
        (mean([3.0]), 3.0, "one unit"),
        (mean([1.0] * 50), 1.0, "no spread"),
        (krippendorff([("a", "a")] * 50), None, "undefined"),
        (krippendorff([("a", "a"), ("b", "b")] * 25), 1.0, "no spread"),
        (krippendorff([(None, "a")] * 50), None, "undefined"),
        (raw([("a", "b")] * 9), 0.0, "no spread"),
    ],
)
def test_what_has_no_interval_says_why(statistic: object, estimate: float, note: str) -> None:
    found = bootstrap(statistic)  # type: ignore[arg-type]
    assert found.estimate == pytest.approx(estimate)
    assert found.limits is None and (found.low, found.high) == (None, None) and note in found.note


def test_what_cannot_be_summed_is_refused() -> None:
    with pytest.raises(ValueError, match="leave out the unscored"):
        mean([1.0, math.nan])
    with pytest.raises(ValueError, match="same units: 2 and 3"):
        difference(mean([1, 2]), mean([1, 2, 3]))
    with pytest.raises(ValueError, match="2 units need as many cluster names, not 3"):
        bootstrap(mean([1, 2]), ["a", "b", "c"])
    with pytest.raises(ValueError, match="level"):
        bootstrap(mean([1, 2]), level=95)
