"""Items side by side: those whose score changed most, and some that did not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from msgspec import Struct

from trueline.evaluate import results
from trueline.evaluate.benchmarks.items import TAG
from trueline.evaluate.compare.compare import policy_of
from trueline.evaluate.results import Metric
from trueline.evaluate.scores import gather
from trueline.files.errors import InputError
from trueline.records.store import dataset
from trueline.records.types import Example, Message, Response
from trueline.report.pairs import Pair, Party

MOST = 150
"""Items on the page."""
EACH = 5
"""Items of one benchmark and comparison: the most worsened, the most improved, one that did not
change, and the next of the former two."""
TEXT = 1_200
"""Characters of a text that are shown."""

Key = tuple[str, str]
_language = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


class Choice(Struct, frozen=True):
    """An item to show; scores are by the metric, `change` is turned so that more is better."""

    metric: Metric
    id: str
    base: float
    treated: float
    change: float


class Shown(Struct, frozen=True):
    """An item with both models' first answers, None where there is none; `repeats` is how many
    answers the scores are means of."""

    pair: Pair
    choice: Choice
    prompt: tuple[Message, ...]
    base: Response | None
    treated: Response | None
    repeats: int
    language: str | None


class Examples(Struct, frozen=True):
    """What is shown by benchmark; `more` counts what the limit left out, and `unread` says of
    comparisons why their items cannot be shown."""

    benchmarks: dict[str, list[Shown]]
    more: int
    unread: list[tuple[Pair, str]]


def examples(pairs: Sequence[Pair]) -> Examples:
    """Items of all comparisons, chosen by their scores and ids alone; every benchmark and
    comparison gets its first before any gets its second."""
    unread: list[tuple[Pair, str]] = []
    lists: list[list[tuple[Pair, Choice]]] = []
    for pair in pairs:
        try:
            lists += [[(pair, one) for one in some] for some in _choices(pair)]
        except InputError as error:
            unread.append((pair, str(error)))
    every = [one for nth in zip_longest(*lists) for one in nth if one is not None]
    held = {id(pair): _texts(pair, [c for p, c in every[:MOST] if p is pair]) for pair in pairs}
    kept = {(id(pair), id(one)) for pair, one in every[:MOST]}
    found: dict[str, list[Shown]] = {}
    for pair, one in (entry for some in lists for entry in some):
        if (id(pair), id(one)) in kept:
            shown = _shown(pair, one, *held[id(pair)])
            found.setdefault(one.metric.benchmark, []).append(shown)
    return Examples(found, max(0, len(every) - MOST), unread)


def _choices(pair: Pair) -> Iterator[list[Choice]]:
    """By benchmark, the items to show of a comparison, the most telling first."""
    metrics: dict[str, Metric] = {}
    for d in pair.primary:
        metrics.setdefault(d.metric.benchmark, d.metric)
    if not metrics:
        return
    base, treated = (_scores(party, list(metrics.values())) for party in (pair.base, pair.treated))
    for name, one in metrics.items():
        turn = 1 if one.better == "higher" else -1
        several = [
            Choice(one, of, before, after, turn * (after - before))
            for of, before in base[name].items()
            if (after := treated[name].get(of)) is not None
        ]
        if several:
            yield choose(several)


def choose(several: Sequence[Choice]) -> list[Choice]:
    """Of one benchmark's items those to show: ties are broken by id."""
    ordered = sorted(several, key=lambda c: (c.change, c.id))
    worse = [c for c in ordered if c.change < 0]
    better = sorted((c for c in ordered if c.change > 0), key=lambda c: (-c.change, c.id))
    same = [c for c in ordered if c.change == 0]
    turns = zip_longest(worse[:2], better[:2], same[:1])
    return [one for turn in turns for one in turn if one is not None][:EACH]


def _scores(party: Party, metrics: Sequence[Metric]) -> dict[str, dict[str, float]]:
    """By benchmark the scores of items that have one.  InputError where the folder no longer holds
    the results that were compared."""
    of = Path(party.folder)
    now, then = results.read(of), party.results
    if (now.identity, now.finished) != (then.identity, then.finished):
        raise InputError(f"{of} holds other results than those compared: compare again")
    found = gather(of, metrics, policy_of(now))
    return {
        metric.benchmark: {
            id: one.score
            for id, one in found[metric.benchmark, metric.key].items.items()
            if one.score is not None
        }
        for metric in metrics
    }


def _texts(pair: Pair, chosen: Sequence[Choice]) -> tuple[dict[Key, Example], dict[Key, Example]]:
    wanted = {(c.metric.benchmark, c.id) for c in chosen}
    if not wanted:
        return {}, {}

    def held(of: Path) -> dict[Key, Example]:
        tagged = ((e.tag(TAG) or "", e) for e in dataset.read(of))
        return {(name, e.id): e for name, e in tagged if (name, e.id) in wanted}

    return held(Path(pair.base.folder)), held(Path(pair.treated.folder))


def _shown(pair: Pair, one: Choice, base: dict[Key, Example], treated: dict[Key, Example]) -> Shown:
    key = one.metric.benchmark, one.id
    before, after = base[key], treated[key]
    language = before.tag("lang")
    return Shown(
        pair=pair,
        choice=one,
        prompt=before.prompt,
        base=before.responses[0] if before.responses else None,
        treated=after.responses[0] if after.responses else None,
        repeats=max(len(before.responses), len(after.responses)),
        language=language if language and _language.fullmatch(language) else None,
    )
