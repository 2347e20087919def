"""Who is compared with whom, and what a difference amounts to in a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from trueline.evaluate.benchmarks.benchmark import GROUPS
from trueline.evaluate.results import Comparison, Difference, Results

Verdict = Literal["better", "worse", "no clear change", "withheld", "not tested"]


class Party(Struct, frozen=True):
    """One model on the page; `mark` is the short name that plots and tables use."""

    mark: str
    results: Results
    folder: str
    treated: bool

    @property
    def name(self) -> str:
        return self.results.model


class Pair(Struct, frozen=True):
    """A comparison, with the names of its two sides on this page."""

    comparison: Comparison
    base: Party
    treated: Party

    @property
    def primary(self) -> list[Difference]:
        return [d for d in self.comparison.differences if d.primary]

    @property
    def withheld(self) -> list[Difference]:
        return [d for d in self.primary if d.withheld is not None]


def pairs(comparisons: Sequence[Comparison]) -> list[Pair]:
    """The comparisons with their models named: one base is Base, the treated ones A, B, C."""
    bases: dict[tuple[str, str], Party] = {}
    several = len({(c.base.identity, c.base_folder) for c in comparisons}) > 1
    found = []
    for at, one in enumerate(comparisons):
        key = one.base.identity, one.base_folder
        if key not in bases:
            mark = f"Base {len(bases) + 1}" if several else "Base"
            bases[key] = Party(mark, one.base, one.base_folder, False)
        treated = Party(letters(at), one.treated, one.treated_folder, True)
        found.append(Pair(one, bases[key], treated))
    return found


def parties(found: Sequence[Pair]) -> list[Party]:
    """Every model once, bases first."""
    return list(
        {p.mark: p for p in (*(f.base for f in found), *(f.treated for f in found))}.values()
    )


def letters(at: int) -> str:
    """A, B, … Z, AA, AB, …"""
    first, last = divmod(at, 26)
    return (letters(first - 1) if first else "") + chr(ord("A") + last)


def verdict(found: Difference, level: float) -> Verdict:
    """What the difference amounts to after adjustment."""
    if found.withheld is not None:
        return "withheld"
    if found.q is None:
        return "not tested"
    if found.q > level or not found.direction:
        return "no clear change"
    return "better" if found.direction > 0 else "worse"


def titles(groups: set[str]) -> dict[str, str]:
    """The groups in the suite's order with their titles; those it does not know come last."""
    known = {group: title for group, title in GROUPS.items() if group in groups}
    return known | {group: group for group in sorted(groups - known.keys())}
