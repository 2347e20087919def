"""Who is compared with whom, and what a difference amounts to in a word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from trueline.evaluate.benchmarks.benchmark import GROUPS
from trueline.evaluate.compare.compare import Side
from trueline.evaluate.results import Comparison, Difference, Results

Verdict = Literal["better", "worse", "no clear change", "withheld", "not tested"]


class ModelSide(Struct, frozen=True):
    """One model on the page.

    `mark` is the short name that plots and tables use; `side` has its scores and texts, if whoever
    compared has passed them on.
    """

    mark: str
    results: Results
    folder: str
    is_treated: bool
    side: Side | None = None

    @property
    def name(self) -> str:
        return self.results.model


class Pair(Struct, frozen=True):
    """A comparison, with the names of its two sides on this page."""

    comparison: Comparison
    base: ModelSide
    treated: ModelSide

    @property
    def primary(self) -> list[Difference]:
        return [d for d in self.comparison.differences if d.primary]

    @property
    def withheld(self) -> list[Difference]:
        return [d for d in self.primary if d.withheld is not None]


def make_pairs(comparisons: Sequence[Comparison], sides: Sequence[Side] = ()) -> list[Pair]:
    """The comparisons with their models named: one base is Base, the treated ones A, B, C.

    `sides` are those that were read to compare, in any order; others are ignored.
    """
    bases: dict[tuple[str, str], ModelSide] = {}
    several = len({(c.base.identity, c.base_folder) for c in comparisons}) > 1
    pairs = []
    for number, comparison in enumerate(comparisons):
        key = comparison.base.identity, comparison.base_folder
        if key not in bases:
            mark = f"Base {len(bases) + 1}" if several else "Base"
            bases[key] = _model_side(mark, comparison.base, comparison.base_folder, False, sides)
        treated = _model_side(
            letter_name(number), comparison.treated, comparison.treated_folder, True, sides
        )
        pairs.append(Pair(comparison, bases[key], treated))
    return pairs


def _model_side(
    mark: str, results: Results, folder: str, is_treated: bool, sides: Sequence[Side]
) -> ModelSide:
    fitting = (s for s in sides if s.folder == Path(folder) and s.results == results)
    return ModelSide(mark, results, folder, is_treated, next(fitting, None))


def list_models(pairs: Sequence[Pair]) -> list[ModelSide]:
    """Every model once, bases first."""
    models = (*(pair.base for pair in pairs), *(pair.treated for pair in pairs))
    return list({model.mark: model for model in models}.values())


def letter_name(number: int) -> str:
    """A, B, … Z, AA, AB, …"""
    first, last = divmod(number, 26)
    return (letter_name(first - 1) if first else "") + chr(ord("A") + last)


def find_verdict(d: Difference, level: float) -> Verdict:
    """What the difference amounts to after adjustment."""
    if d.withheld is not None:
        return "withheld"
    if d.q is None:
        return "not tested"
    if d.q > level or not d.direction:
        return "no clear change"
    return "better" if d.direction > 0 else "worse"


def group_titles(groups: set[str]) -> dict[str, str]:
    """The groups in the suite's order with their titles; those it does not know come last."""
    titles = {group: title for group, title in GROUPS.items() if group in groups}
    return titles | {group: group for group in sorted(groups - titles.keys())}
