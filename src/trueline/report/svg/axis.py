"""Where numbers lie on a drawing."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor, isfinite, log10

from msgspec import Struct


class Axis(Struct, frozen=True):
    """From `low` to `high`, drawn from `start` to `end` (which is less than `start` where the
    axis points up); `ticks` are round numbers on it."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Where a value is drawn; at the axis's end where it lies beyond."""
        held = min(max(value, self.low), self.high)
        where = self.start + (held - self.low) / (self.high - self.low) * (self.end - self.start)
        return round(where, 2)


def axis(values: Iterable[float], start: float, end: float, *, ticks: int = 4) -> Axis:
    """An axis with about so many steps that holds all finite values, and ends at ticks."""
    finite = [v for v in values if isfinite(v)] or [0.0]
    low, high = min(finite), max(finite)
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size or size < 1e-100:  # one value, or nothing but zeros
        wide = size / 10 if size >= 1e-100 else 0.1
        low, high = low - wide, high + wide
    step = _round((high - low) / ticks)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    marks = tuple(float(f"{n * step:.12g}") for n in range(first, last + 1))
    return Axis(marks[0], marks[-1], start, end, marks)


def _round(step: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))
