"""Items side by side: those whose score changed most, and some that did not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from msgspec import Struct

from trueline.evaluate.compare.compare import Side, read_side
from trueline.evaluate.results import Metric
from trueline.evaluate.scores import MetricScores
from trueline.files.errors import InputError
from trueline.records.types import Message, Response
from trueline.report.pairs import ModelSide, Pair

MOST = 150
"""Items on the page."""
EACH = 5
"""Items of one benchmark and comparison: the most worsened, the most improved, one that did not
change, and the next of the former two."""
TEXT = 1_200
"""Characters of a text that are shown."""

_language = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


class ItemChange(Struct, frozen=True):
    """An item's scores by a metric; `gain` is turned so that more is better."""

    metric: Metric
    id: str
    base: float
    treated: float
    gain: float


class ItemPair(Struct, frozen=True):
    """An item with both models' first answers, None if there is none; `repeats` is how many answers
    the scores are means of."""

    pair: Pair
    change: ItemChange
    prompt: tuple[Message, ...]
    base: Response | None
    treated: Response | None
    repeats: int
    language: str | None


class Examples(Struct, frozen=True):
    """Items by benchmark; `n_left_out` counts those beyond the limit, and `unreadable` says of
    comparisons why their items cannot be shown."""

    benchmarks: dict[str, list[ItemPair]]
    n_left_out: int
    unreadable: list[tuple[Pair, str]]


def select_examples(pairs: Sequence[Pair]) -> Examples:
    """Items of all comparisons, chosen by their scores and ids alone; every benchmark and
    comparison gets its first before any gets its second."""
    sides = _Sides()
    unreadable: list[tuple[Pair, str]] = []
    lists: list[list[tuple[Pair, ItemChange]]] = []
    for pair in pairs:
        try:
            changes = _changes(pair, sides.get(pair.base), sides.get(pair.treated))
            lists += [[(pair, change) for change in select_items(items)] for items in changes]
        except InputError as error:
            unreadable.append((pair, str(error)))
    ordered = [entry for nth in zip_longest(*lists) for entry in nth if entry is not None]
    selected = {(id(pair), id(change)) for pair, change in ordered[:MOST]}
    benchmarks: dict[str, list[ItemPair]] = {}
    for pair, change in (entry for items in lists for entry in items):
        if (id(pair), id(change)) in selected:
            shown = _item_pair(pair, change, sides.get(pair.base), sides.get(pair.treated))
            benchmarks.setdefault(change.metric.benchmark, []).append(shown)
    return Examples(benchmarks, max(0, len(ordered) - MOST), unreadable)


class _Sides:
    """The models' scores and texts: those that came with the models, others read once."""

    def __init__(self) -> None:
        self._read: dict[str, Side] = {}

    def get(self, model: ModelSide) -> Side:
        """Raises InputError if the folder no longer holds the results that were compared."""
        if model.side is not None and model.side.texts is not None:
            return model.side
        if model.mark not in self._read:
            side = read_side(Path(model.folder), keep_texts=True)
            now, then = side.results, model.results
            if (now.identity, now.finished) != (then.identity, then.finished):
                raise InputError(
                    f"{model.folder} holds other results than those compared: compare again"
                )
            self._read[model.mark] = side
        return self._read[model.mark]


def _changes(pair: Pair, base: Side, treated: Side) -> Iterator[list[ItemChange]]:
    """By benchmark, the items that have a score by its primary metric on both sides."""
    metrics: dict[str, Metric] = {}
    for d in pair.primary:
        metrics.setdefault(d.metric.benchmark, d.metric)
    for name, metric in metrics.items():
        sign = 1 if metric.better == "higher" else -1
        before, after = (
            side.scores.get((name, metric.key), MetricScores()).items for side in (base, treated)
        )
        changes = [
            ItemChange(metric, id, item.score, other.score, sign * (other.score - item.score))
            for id, item in before.items()
            if item.score is not None
            and (other := after.get(id)) is not None
            and other.score is not None
        ]
        if changes:
            yield changes


def select_items(changes: Sequence[ItemChange]) -> list[ItemChange]:
    """Of one benchmark's items those to show, the most telling first; ties are broken by id."""
    ordered = sorted(changes, key=lambda c: (c.gain, c.id))
    worse = [c for c in ordered if c.gain < 0]
    better = sorted((c for c in ordered if c.gain > 0), key=lambda c: (-c.gain, c.id))
    same = [c for c in ordered if c.gain == 0]
    rounds = zip_longest(worse[:2], better[:2], same[:1])
    return [change for turn in rounds for change in turn if change is not None][:EACH]


def _item_pair(pair: Pair, change: ItemChange, base: Side, treated: Side) -> ItemPair:
    before, after = (side.example(change.metric.benchmark, change.id) for side in (base, treated))
    language = before.tag("lang")
    return ItemPair(
        pair=pair,
        change=change,
        prompt=before.prompt,
        base=before.responses[0] if before.responses else None,
        treated=after.responses[0] if after.responses else None,
        repeats=max(len(before.responses), len(after.responses)),
        language=language if language and _language.fullmatch(language) else None,
    )
