"""Intervals in closed form, and the record that every interval is."""

from __future__ import annotations

from functools import cache
from math import inf, sqrt
from statistics import NormalDist

import msgspec
import numpy as np

_NORMAL = NormalDist()


class Interval(msgspec.Struct, frozen=True):
    """An estimate with the limits between which the truth lies, at this level of confidence.

    `units` is how many independent units it rests on (clusters, if there are any).  What the data
    cannot give is None, and `note` then says why.
    """

    estimate: float | None
    low: float | None
    high: float | None
    units: int
    level: float = 0.95
    note: str = ""

    @property
    def limits(self) -> tuple[float, float] | None:
        """Both limits, or None if the data give none."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def undefined(units: int, level: float, why: str) -> Interval:
    """The interval of data that give neither an estimate nor limits."""
    return Interval(None, None, None, units, level, why)


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's (1927) score interval of a proportion.

    It holds at 0 and at 1 too, for which ±1.96 standard errors have no width.  No trials give
    (0, 1) and no estimate.
    """
    _counts(successes, trials)
    if not trials:
        return Interval(None, 0.0, 1.0, 0, level, "no trials")
    z2 = normal_quantile(level) ** 2

    def lower(count: int) -> float:
        spread = count * (trials - count) / trials + z2 / 4
        return (count + z2 / 2 - sqrt(z2 * spread)) / (trials + z2)

    # the upper limit is the lower one of the failures; either is exact at its end
    high = 1 - lower(trials - successes)
    return Interval(successes / trials, lower(successes), high, trials, level)


def bonett_price(gained: int, lost: int, pairs: int, level: float = 0.95) -> Interval:
    """The difference of two proportions over the same `pairs`, of which `gained` went from 0 to 1
    and `lost` from 1 to 0: Bonett and Price (2012), J. Educ. Behav. Stat. 37:479, who add a pair of
    each kind.

    Where few pairs differ, resampling them hardly ever draws another sign, and its interval
    leaves out 0 far too soon; this one holds then, and if no pair differs.
    """
    _counts(gained + lost, pairs)
    _counts(gained, gained + lost)
    if not pairs:
        return Interval(None, -1.0, 1.0, 0, level, "no pairs")
    up, down = (gained + 1) / (pairs + 2), (lost + 1) / (pairs + 2)
    half = normal_quantile(level) * sqrt((up + down - (up - down) ** 2) / (pairs + 2))
    low, high = max(up - down - half, -1.0), min(up - down + half, 1.0)
    gap = (gained - lost) / pairs
    return Interval(gap, min(low, gap), max(high, gap), pairs, level)


def normal_quantile(level: float) -> float:
    """z such that ±z holds `level` of a standard normal: 1.96 for 0.95."""
    if not 0 < level < 1:
        raise ValueError(f"a level of confidence lies in (0, 1), not {level}")
    return _NORMAL.inv_cdf((1 + level) / 2)


@cache
def student_quantile(level: float, freedom: int) -> float:
    """t such that ±t holds `level` of Student's t with `freedom` degrees (at least 1).

    numpy has none and scipy would be installed for this alone.  With t = √ν·tan θ the density
    becomes cos^(ν-1) θ, which is smooth and bounded, and summed on a grid; past 2,000 degrees the
    first term of the expansion in 1/ν is exact to five digits.
    """
    if freedom < 1:
        return inf
    z = normal_quantile(level)
    if freedom > 2000:
        return z + (z**3 + z) / (4 * freedom)
    theta = np.linspace(0, np.pi / 2, 20001)
    density = np.cos(theta) ** (freedom - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(sqrt(freedom) * np.tan(np.interp(level, mass / mass[-1], theta)))


def _counts(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials are no proportion")
