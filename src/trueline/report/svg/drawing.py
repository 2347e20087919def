"""What the drawings share: an axis, an error bar along it, an arrow, a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, floor, hypot, isfinite, log10

from msgspec import Struct


class Axis(Struct, frozen=True):
    """From `low` to `high`, drawn from `start` to `end` (which is less than `start` if the axis
    points up); `ticks` are round numbers on it."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """The place of a value; the axis's end if it lies beyond."""
        inside = min(max(value, self.low), self.high)
        place = self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)
        return round(place, 2)

    def error_bar(self, low: float | None, high: float | None) -> tuple[float, float] | None:
        """The places of two limits, None if there are none."""
        return None if low is None or high is None else (self.at(low), self.at(high))


def make_axis(values: Iterable[float], start: float, end: float, *, ticks: int = 4) -> Axis:
    """An axis with about so many steps that holds all finite values, and ends at ticks."""
    finite = [v for v in values if isfinite(v)] or [0.0]
    low, high = min(finite), max(finite)
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size or size < 1e-100:  # one value, or nothing but zeros
        margin = size / 10 if size >= 1e-100 else 0.1
        low, high = low - margin, high + margin
    step = _round_step((high - low) / ticks)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    places = tuple(float(f"{n * step:.12g}") for n in range(first, last + 1))
    return Axis(places[0], places[-1], start, end, places)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def make_line(points: Mapping[int, float], across: Axis, up: Axis) -> str:
    """The path through points, in SVG."""
    return "M" + "L".join(f"{across.at(x):g} {up.at(y):g}" for x, y in points.items())


class Arrow(Struct, frozen=True):
    """From a start to an end, with its head halfway so that no dot covers it ("" if too short)."""

    start: tuple[float, float]
    end: tuple[float, float]
    head: str


def make_arrow(start: tuple[float, float], end: tuple[float, float]) -> Arrow | None:
    """An arrow, None if both ends lie in one place."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = hypot(dx, dy)
    if length < 1:
        return None
    dx, dy = dx / length, dy / length
    tip_x, tip_y = (start[0] + end[0]) / 2 + 5 * dx, (start[1] + end[1]) / 2 + 5 * dy
    back_x, back_y = tip_x - 9 * dx, tip_y - 9 * dy
    corners = [
        (tip_x, tip_y),
        (back_x - 4.5 * dy, back_y + 4.5 * dx),
        (back_x + 4.5 * dy, back_y - 4.5 * dx),
    ]
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners) if length > 30 else ""
    return Arrow(start, end, head)
