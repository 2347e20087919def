"""All that was left out of an evaluation, not compared, or withheld from the headline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from trueline.report.pairs import ModelSide, Pair


class Omission(Struct, frozen=True):
    """Something that is not among the compared numbers: of which model or comparison, and why."""

    mark: str
    what: str
    why: str


def list_omissions(pairs: Sequence[Pair], models: Sequence[ModelSide]) -> list[Omission]:
    """The omissions of all models, unfinished evaluations first, then of all comparisons."""
    omissions = [
        Omission(m.mark, "the whole evaluation", "it is not complete: its run ended early")
        for m in models
        if not m.results.complete
    ]
    for model in models:
        omissions += _of_model(model)
    for pair in pairs:
        omissions += _of_comparison(pair)
    return omissions


def _of_model(model: ModelSide) -> Iterator[Omission]:
    for what, why in model.results.left_out.items():
        yield Omission(model.mark, what, why)
    for ran in model.results.benchmarks:
        if ran.invalid_rows:
            rows = f"{ran.name}: {ran.invalid_rows:,} rows"
            yield Omission(model.mark, rows, "they are no items: see its rejects")


def _of_comparison(pair: Pair) -> Iterator[Omission]:
    mark = f"{pair.treated.mark} against {pair.base.mark}"
    for what, why in pair.comparison.not_compared.items():
        yield Omission(mark, what, why)
    for d in pair.comparison.differences:
        if d.withheld is not None:
            what = f"{d.metric.benchmark}: {d.metric.description}"
            yield Omission(mark, what, f"withheld: {d.withheld}")
