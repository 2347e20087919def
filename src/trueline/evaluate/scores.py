"""The scores of items, and a metric's mean over them with its interval and its bounds.

An item's score is the mean over those of its repeats that have one.  Where the instrument failed,
or the model's call did, there is none, and the reason is kept: it is never 0.  Coverage and bounds
count answers (every repeat of every item), so that one repeat does not stand for the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct, field

from trueline.evaluate.benchmarks.items import TAG
from trueline.evaluate.results import Metric, MetricResult
from trueline.files.errors import InputError
from trueline.policy.types import Policy
from trueline.policy.values import Labels, number_of
from trueline.records.store import dataset
from trueline.records.types import Example, Unscored
from trueline.statistics.coverage import extremes
from trueline.statistics.intervals import Interval, undefined, wilson
from trueline.statistics.resample import bootstrap
from trueline.statistics.sums import mean

Key = tuple[str, str]
"""A benchmark, and the key of one of its metrics."""

REASON, REASONS = 120, 20
"""Characters of a reason for having no score, and how many reasons are told apart."""

_own = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)|\d[\d,.]*\d|\d')
"""What a reason holds of one answer alone: quoted words and numbers."""


class ItemScore(NamedTuple):
    """The score of one item, None if it has none.

    `cluster` is what it shares with items that are not independent of it (its own content if it
    shares nothing), `why` the reason for which a repeat has no score, `repeats` the score of each.
    """

    score: float | None
    cluster: str
    why: str = ""
    repeats: tuple[float | None, ...] = ()


class MetricScores(Struct, frozen=True):
    """A metric's items by Example id; `wordings` are the hashes of the questions that its labels
    answer."""

    items: dict[str, ItemScore] = field(default_factory=dict)
    wordings: set[str] = field(default_factory=set)

    def add(self, id: str, one: ItemScore) -> None:
        """Add an item.  Raises InputError if it is there already: then neither can be trusted."""
        if id in self.items:
            raise InputError(
                f"item {id} occurs twice: a results folder has each item once. Evaluate again"
            )
        self.items[id] = one

    @property
    def repeats(self) -> int:
        """How often items were answered, at most."""
        return max((len(one.repeats) for one in self.items.values()), default=1) or 1

    @property
    def answers(self) -> list[float]:
        """The scores of all answers that have one: of every item, every repeat."""
        return [r for one in self.items.values() for r in one.repeats if r is not None]


def gather(
    path: Path,
    metrics: Sequence[Metric],
    policy: Policy,
    on_example: Callable[[Example], None] | None = None,
) -> dict[Key, MetricScores]:
    """The scores of a results folder's items for all metrics, in one pass.

    The policy says which answers follow from others: the severity of a safe response is not asked,
    and 0.  `on_example` is called with every Example of the folder.  Raises InputError if the
    folder cannot be read, holds an item twice, or if two metrics have one name.
    """
    gathered: dict[Key, MetricScores] = {}
    by_benchmark: dict[str, list[tuple[Metric, MetricScores]]] = {}
    for metric in metrics:
        if (metric.benchmark, metric.key) in gathered:
            raise InputError(
                f"{metric.benchmark} has two metrics named {metric.key!r}: their numbers could "
                "not be told apart. Leave one of them out"
            )
        scores = gathered[metric.benchmark, metric.key] = MetricScores()
        by_benchmark.setdefault(metric.benchmark, []).append((metric, scores))
    try:
        for example in dataset.read(path):
            if on_example is not None:
                on_example(example)
            answers = [Labels(example, (n,), policy) for n in range(len(example.responses))]
            for metric, scores in by_benchmark.get(example.tag(TAG) or "", ()):
                scores.add(example.id, _score(example, metric, answers, scores.wordings))
        for reject in dataset.rejects(path):
            if (item := reject.example) is not None:
                for _, scores in by_benchmark.get(item.tag(TAG) or "", ()):
                    scores.add(item.id, ItemScore(None, _cluster(item), reject.message[:REASON]))
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error
    return gathered


def _score(
    example: Example, metric: Metric, answers: Sequence[Labels], wordings: set[str]
) -> ItemScore:
    """The score of one item, by the metric's rule on the labels of each of its answers."""
    repeats: list[float | None] = []
    why = "" if example.responses else "the model gave no answer"
    for labels in answers:
        wordings |= {x.question_hash for x in labels.on(metric.question, metric.rule.by)}
        value = number_of(metric.rule, labels)
        if isinstance(value, Unscored):
            why = why or value.reason[:REASON]
        repeats.append(None if isinstance(value, Unscored) else value)
    scored = [score for score in repeats if score is not None]
    score = sum(scored) / len(scored) if scored else None
    return ItemScore(score, _cluster(example), why, tuple(repeats))


def _cluster(example: Example) -> str:
    """What the item shares with others; equal items are no more independent than those of one
    cluster, and differ in the occurrence number that their ids end with."""
    shared = example.tag("cluster")
    return example.id.partition("-")[0] if shared is None else f"cluster:{shared}"


# ---- a metric on one model -------------------------------------------------------------------


def summarise(
    metric: Metric, scores: MetricScores, items: int = 0, level: float = 0.95
) -> MetricResult:
    """The metric's mean over the items that have a score, with its interval, what it could be over
    all of them, and its spread between repeats.  `items` is how many were to be asked: those that
    the folder lacks (not reached, or not storable) are unscored too."""
    given = scores.items.values()
    scored = [one for one in given if one.score is not None]
    items = max(items, len(given))
    least, most = bounds(metric, scores, items) or (None, None)
    n_missing = len(scored) * scores.repeats - len(scores.answers)
    why = reasons(scores)
    if items > len(given):
        why["the folder lacks it"] = items - len(given)
    return MetricResult(
        metric=metric,
        items=items,
        scored=len(scored),
        interval=average(scored, level),
        least=least,
        most=most,
        unscored=dict(why.most_common()),
        repeats=scores.repeats,
        n_missing=n_missing,
        spread=spread(scores),
    )


def reasons(scores: MetricScores) -> Counter[str]:
    """Of how many items the score, or that of a repeat, is missing for each reason.  Numbers and
    quoted words are left out, so that texts of 1,200 and of 1,300 tokens are too long for one
    reason, and nothing that a model wrote is shown as a reason."""
    every = scores.items.values()
    counts = Counter(_own.sub("…", one.why) for one in every if one.why)
    rest = counts.total() - sum(count for _, count in counts.most_common(REASONS))
    return Counter(dict(counts.most_common(REASONS)) | ({"other reasons": rest} if rest else {}))


def average(items: Sequence[ItemScore], level: float = 0.95) -> Interval:
    """The mean score of items that all have one.

    Wilson's interval if it is a proportion of independent items, answered once each; else by
    resampling clusters.  If all scores are 0, or all are 1, resampling has no spread to go by: then
    Wilson's interval at the effective sample size (Kish), one unit per cluster.
    """
    values = [one.score for one in items if one.score is not None]
    if not values:
        return undefined(0, level, "no item has a score")
    names = clusters(items)
    ends = set(values)
    once = all(len(one.repeats) == 1 for one in items)
    if ends <= {0.0, 1.0} and names is None and (once or len(ends) == 1):
        return wilson(int(sum(values)), len(values), level)
    if ends in ({0.0}, {1.0}):
        sizes = np.array(list(Counter(names).values()), float)
        worth = max(1, int(sizes.sum() ** 2 / (sizes**2).sum()))  # Kish (1965), all alike within
        interval = wilson(worth * int(values[0]), worth, level)
        note = f"all the same: limits as of {worth} items, each cluster counting as one"
        return msgspec.structs.replace(interval, note=note)
    return bootstrap(mean(values), names, level=level)


def clusters(items: Sequence[ItemScore]) -> list[str] | None:
    """The items' clusters, None if each item is alone in its own."""
    names = [one.cluster for one in items]
    return None if len(set(names)) == len(names) else names


def bounds(metric: Metric, scores: MetricScores, items: int) -> tuple[float, float] | None:
    """What the mean over so many items could be, whatever the answers without a score are; None
    if there are some and the scores leave the metric's range, for then no range is known."""
    low, high = metric.low, metric.high
    values = scores.answers
    unscored = items * scores.repeats - len(values)
    if values and not low <= min(values) <= max(values) <= high:
        alone = float(np.mean(values))
        return None if unscored else (alone, alone)
    return extremes(values, unscored, low, high)


def spread(scores: MetricScores) -> float | None:
    """The standard deviation of the mean between repeats, over the items that have a score in each;
    None without several repeats of one item at least."""
    count = scores.repeats
    whole = [r for r in _repeated(scores.items.values()) if len(r) == count]
    if count < 2 or not whole:
        return None
    return float(np.std(np.mean(whole, axis=0), ddof=1))


def _repeated(items: Collection[ItemScore]) -> list[list[float]]:
    """The scores of each item's repeats, those that are there."""
    return [[r for r in one.repeats if r is not None] for one in items]
