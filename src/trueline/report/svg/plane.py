"""Harmfulness against over-refusal, and capability next to it: the trade that training makes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from trueline.evaluate.results import GroupMeans
from trueline.report.pairs import ModelSide, Pair
from trueline.report.svg.drawing import Arrow, Axis, make_arrow, make_axis
from trueline.statistics.intervals import Interval


class ModelShift(Struct, frozen=True):
    """From a comparison's base to its treated model; a group in which nothing counts is absent."""

    pair: Pair

    @property
    def means(self) -> dict[str, GroupMeans]:
        return self.pair.comparison.group_means

    @property
    def is_on_plane(self) -> bool:
        """Whether it can be drawn on the plane."""
        return "harmfulness" in self.means and "over-refusal" in self.means


class Dot(Struct, frozen=True):
    """A model on a drawing: `across` and `up` are the ends of its error bars, if it has any."""

    mark: str
    is_treated: bool
    x: float
    y: float
    across: tuple[float, float] | None
    up: tuple[float, float] | None


class Drawing(Struct, frozen=True):
    """Dots and arrows on axes; the plane has an axis across, capability has a place a model."""

    across: Axis | None
    up: Axis
    arrows: list[Arrow]
    dots: list[Dot]


class Plane(Struct, frozen=True):
    """All shifts, and the drawings of those that can be drawn; `across` and `up` name the axes of
    the plane by what was measured: to refuse little is not to do harm."""

    shifts: list[ModelShift]
    plane: Drawing | None
    capability: Drawing | None
    across: str
    up: str


SIZE, NARROW = 360.0, 200.0
_left, _right, _top, _bottom = 50.0, 14.0, 14.0, SIZE - 50


def make_plane(pairs: Sequence[Pair]) -> Plane:
    """The shifts of all comparisons; both axes of the plane begin at 0, which is best."""
    shifts = [ModelShift(pair) for pair in pairs]
    on_plane = [shift for shift in shifts if shift.is_on_plane]
    capable = [shift for shift in shifts if "capability" in shift.means]
    return Plane(
        shifts,
        _draw_plane(on_plane) if on_plane else None,
        _draw_capability(capable) if capable else None,
        _axis_name(on_plane, "harmfulness", "harmful requests not refused"),
        _axis_name(on_plane, "over-refusal", "harmless requests refused"),
    )


def _axis_name(shifts: Sequence[ModelShift], group: str, refusal: str) -> str:
    """The group, or what it comes to if refusal is all that was measured of it."""
    return refusal if all(shift.means[group].by_refusal for shift in shifts) else group


def _values(shifts: Sequence[ModelShift], group: str) -> list[float]:
    means = [m for s in shifts for m in (s.means[group].base, s.means[group].treated)]
    return [v for m in means for v in (m.estimate, m.low, m.high) if v is not None]


def _draw_plane(shifts: Sequence[ModelShift]) -> Drawing:
    across = make_axis([0.0, *_values(shifts, "harmfulness")], _left, SIZE - _right)
    up = make_axis([0.0, *_values(shifts, "over-refusal")], _bottom, _top)
    arrows, dots = [], list[Dot]()
    for shift in shifts:
        harm, refusal = shift.means["harmfulness"], shift.means["over-refusal"]
        base, treated = (
            _dot(model, across.at(x.estimate or 0.0), up, y, across.error_bar(x.low, x.high))
            for model, x, y in (
                (shift.pair.base, harm.base, refusal.base),
                (shift.pair.treated, harm.treated, refusal.treated),
            )
        )
        arrows += _arrow(base, treated)
        dots += [dot for dot in (base, treated) if dot not in dots]
    return Drawing(across, up, arrows, sorted(dots, key=lambda dot: dot.is_treated))


def _draw_capability(shifts: Sequence[ModelShift]) -> Drawing:
    up = make_axis(_values(shifts, "capability"), _bottom, _top)
    arrows, dots = [], list[Dot]()
    for number, shift in enumerate(shifts):
        middle = _left + (number + 0.5) * (NARROW - _left - _right) / len(shifts)
        offset = min(14.0, 30.0 / len(shifts))
        means = shift.means["capability"]
        base = _dot(shift.pair.base, round(middle - offset, 2), up, means.base)
        treated = _dot(shift.pair.treated, round(middle + offset, 2), up, means.treated)
        arrows += _arrow(base, treated)
        dots += [base, treated]
    return Drawing(None, up, arrows, dots)


def _dot(
    model: ModelSide, x: float, up: Axis, y: Interval, across: tuple[float, float] | None = None
) -> Dot:
    height = up.at(y.estimate or 0.0)
    return Dot(model.mark, model.is_treated, x, height, across, up.error_bar(y.low, y.high))


def _arrow(base: Dot, treated: Dot) -> list[Arrow]:
    arrow = make_arrow((base.x, base.y), (treated.x, treated.y))
    return [] if arrow is None else [arrow]
