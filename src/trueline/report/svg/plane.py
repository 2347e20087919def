"""Harmfulness against over-refusal, and capability beside it: the trade that training makes.

Each is a mean over the primary metrics of a group, every benchmark counting once, turned into a
share of the metric's range.  Its limits join those of the benchmarks by squaring and adding their
distances from the means (Zou and Donner 2008, Statistics in Medicine 27:1693), with the items of
different benchmarks taken as independent.  Harm and refusal are each averaged over one measure by
one instrument, that of the most benchmarks: two instruments are never averaged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import hypot

from msgspec import Struct

from trueline.evaluate.results import Difference
from trueline.report.pairs import Pair
from trueline.report.svg.axis import Axis, axis
from trueline.report.text import named
from trueline.statistics.intervals import Interval

GROUPS = {"harmfulness": False, "over-refusal": False, "capability": True}
"""The groups that are drawn, and whether more of them is better."""


class Point(Struct, frozen=True):
    """A group's mean in one model, with its limits (None if a benchmark has none)."""

    estimate: float
    limits: tuple[float, float] | None

    def __str__(self) -> str:
        ends = self.limits
        limits = f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}" if ends else "no interval"
        return f"{100 * self.estimate:.1f} % ({limits})"


class Standing(Struct, frozen=True):
    """One group in both models of a comparison: means over the benchmarks that are `counted`, by
    what was measured on them; left out are those `withheld` and those measured `otherwise`.
    `by_refusal`: what was measured is who was refused."""

    base: Point
    treated: Point
    counted: dict[str, list[str]]
    withheld: list[str]
    otherwise: list[str]
    by_refusal: bool


class Move(Struct, frozen=True):
    """Where a comparison's two models stand; a group of which nothing counts is absent."""

    pair: Pair
    standing: dict[str, Standing]

    @property
    def whole(self) -> bool:
        """Whether it can be drawn on the plane."""
        return "harmfulness" in self.standing and "over-refusal" in self.standing


class Dot(Struct, frozen=True):
    """A model on a drawing: `across` and `up` are the ends of its whiskers, where it has any."""

    mark: str
    treated: bool
    x: float
    y: float
    across: tuple[float, float] | None
    up: tuple[float, float] | None


class Arrow(Struct, frozen=True):
    """From a base to a treated model, with its head halfway, where no dot covers it."""

    start: tuple[float, float]
    end: tuple[float, float]
    head: str


class Drawing(Struct, frozen=True):
    """Dots and arrows on axes; the plane has an axis across, capability has a place a model."""

    across: Axis | None
    up: Axis
    arrows: list[Arrow]
    dots: list[Dot]


class Plane(Struct, frozen=True):
    """All moves, and the drawings of those that can be drawn; `across` and `up` name the axes of
    the plane by what was measured: who refuses little has not done harm by that."""

    moves: list[Move]
    plane: Drawing | None
    capability: Drawing | None
    across: str
    up: str


# ---- drawing ---------------------------------------------------------------------------------

SIZE, NARROW = 360.0, 200.0
_left, _right, _top, _bottom = 50.0, 14.0, 14.0, SIZE - 50


def plane(pairs: Sequence[Pair]) -> Plane:
    """The moves of all comparisons; both axes of the plane begin at 0, which is best."""
    moves = [Move(pair, _standing(pair)) for pair in pairs]
    whole = [m for m in moves if m.whole]
    able = [m for m in moves if "capability" in m.standing]
    return Plane(
        moves,
        _plane(whole) if whole else None,
        _capability(able) if able else None,
        _axis_name(whole, "harmfulness", "harmful requests not refused"),
        _axis_name(whole, "over-refusal", "harmless requests refused"),
    )


def _axis_name(moves: Sequence[Move], group: str, refusal: str) -> str:
    """The group, or what it comes to where refusal is all that was measured of it."""
    return refusal if all(m.standing[group].by_refusal for m in moves) else group


def _values(moves: Sequence[Move], group: str) -> list[float]:
    points = [p for m in moves for p in (m.standing[group].base, m.standing[group].treated)]
    return [v for p in points for v in (p.estimate, *(p.limits or ()))]


def _plane(moves: Sequence[Move]) -> Drawing:
    across = axis([0.0, *_values(moves, "harmfulness")], _left, SIZE - _right)
    up = axis([0.0, *_values(moves, "over-refusal")], _bottom, _top)
    arrows, dots = [], list[Dot]()
    for move in moves:
        harm, refusal = move.standing["harmfulness"], move.standing["over-refusal"]
        sides = [
            (move.pair.base.mark, False, harm.base, refusal.base),
            (move.pair.treated.mark, True, harm.treated, refusal.treated),
        ]
        base, treated = (
            Dot(m, t, across.at(x.estimate), up.at(y.estimate), _ends(x, across), _ends(y, up))
            for m, t, x, y in sides
        )
        arrows += _arrow(base, treated)
        dots += [dot for dot in (base, treated) if dot not in dots]
    return Drawing(across, up, arrows, sorted(dots, key=lambda dot: dot.treated))


def _capability(moves: Sequence[Move]) -> Drawing:
    up = axis(_values(moves, "capability"), _bottom, _top)
    arrows, dots = [], list[Dot]()
    for at, move in enumerate(moves):
        middle = _left + (at + 0.5) * (NARROW - _left - _right) / len(moves)
        apart = min(14.0, 30.0 / len(moves))
        able = move.standing["capability"]
        base, treated = (
            Dot(party.mark, t, round(x, 2), up.at(p.estimate), None, _ends(p, up))
            for party, t, x, p in (
                (move.pair.base, False, middle - apart, able.base),
                (move.pair.treated, True, middle + apart, able.treated),
            )
        )
        arrows += _arrow(base, treated)
        dots += [base, treated]
    return Drawing(None, up, arrows, dots)


def _ends(point: Point, along: Axis) -> tuple[float, float] | None:
    return point.limits and (along.at(point.limits[0]), along.at(point.limits[1]))


def _arrow(base: Dot, treated: Dot) -> list[Arrow]:
    dx, dy = treated.x - base.x, treated.y - base.y
    length = hypot(dx, dy)
    if length < 1:
        return []
    dx, dy = dx / length, dy / length
    tip_x, tip_y = (base.x + treated.x) / 2 + 5 * dx, (base.y + treated.y) / 2 + 5 * dy
    back_x, back_y = tip_x - 9 * dx, tip_y - 9 * dy
    corners = [
        (tip_x, tip_y),
        (back_x - 4.5 * dy, back_y + 4.5 * dx),
        (back_x + 4.5 * dy, back_y - 4.5 * dx),
    ]
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners) if length > 30 else ""
    return [Arrow((base.x, base.y), (treated.x, treated.y), head)]


# ---- means -----------------------------------------------------------------------------------


def _standing(pair: Pair) -> dict[str, Standing]:
    found = {}
    for group, more_is_better in GROUPS.items():
        first: dict[str, Difference] = {}
        for d in pair.primary:
            if d.group == group:
                first.setdefault(d.metric.benchmark, d)
        counted = [d for d in first.values() if d.withheld is None and _known(d)]
        withheld = [name for name, d in first.items() if d not in counted]
        alike = counted if more_is_better else _alike(counted)
        if alike:
            found[group] = Standing(
                _mean(alike, lambda d: d.base, more_is_better),
                _mean(alike, lambda d: d.treated, more_is_better),
                _measures(alike, more_is_better),
                withheld,
                [d.metric.benchmark for d in counted if d not in alike],
                all(d.metric.question == "refusal" for d in alike),
            )
    return found


def _alike(counted: Sequence[Difference]) -> list[Difference]:
    """Those of the measure that the most benchmarks have, the first of them where several do."""

    def measure(d: Difference) -> tuple[object, ...]:
        return d.metric.question, d.metric.accepted, d.metric.name, d.metric.instrument

    most = Counter(map(measure, counted)).most_common(1)
    return [d for d in counted if measure(d) == most[0][0]]


def _measures(counted: Sequence[Difference], more_is_better: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for d in counted:
        turned = (d.metric.better == "higher") != more_is_better
        told = f"{'1 minus ' if turned else ''}{named(d.metric)}"
        found.setdefault(told, []).append(d.metric.benchmark)
    return found


def _known(d: Difference) -> bool:
    return d.base.estimate is not None and d.treated.estimate is not None


def _mean(
    counted: Sequence[Difference], side: Callable[[Difference], Interval], more_is_better: bool
) -> Point:
    points = [_turned(side(d), d, more_is_better) for d in counted]
    middle = sum(p.estimate for p in points) / len(points)
    gaps = [(p.estimate - p.limits[0], p.limits[1] - p.estimate) for p in points if p.limits]
    if len(gaps) < len(points):
        return Point(middle, None)
    below, above = (hypot(*side) / len(points) for side in zip(*gaps, strict=True))
    return Point(middle, (max(0.0, middle - below), min(1.0, middle + above)))


def _turned(found: Interval, d: Difference, more_is_better: bool) -> Point:
    """As a share of the range, of what the group is about: more harm, more refusals, more skill."""
    low, wide = d.metric.low, d.metric.high - d.metric.low or 1.0
    turned = (d.metric.better == "higher") != more_is_better

    def place(value: float) -> float:
        share = (value - low) / wide
        return 1 - share if turned else share

    limits = None
    if found.limits is not None:
        low_end, high_end = sorted(map(place, found.limits))
        limits = low_end, high_end
    return Point(place(found.estimate or 0.0), limits)
