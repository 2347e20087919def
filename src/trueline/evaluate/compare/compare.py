"""Two evaluated models on the same items: what changed, how sure that is, and what cannot be said.

Only what was asked of both in the same way, and scored by the same instrument, is compared.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.evaluate import results
from trueline.evaluate.compare.comparability import (
    describe_item_mismatch,
    describe_missing,
    metric_mismatches,
    run_mismatches,
)
from trueline.evaluate.compare.headline import counts, disagree, headline
from trueline.evaluate.compare.paired import paired
from trueline.evaluate.results import BenchmarkRun, Comparison, Difference, Metric, Results
from trueline.evaluate.scores import Key, MetricScores, gather
from trueline.files.errors import InputError
from trueline.policy.load import load
from trueline.policy.types import Policy
from trueline.statistics.multiple import benjamini_hochberg


class Side(Struct, frozen=True):
    """One model's results with the scores of every item."""

    folder: Path
    results: Results
    scores: dict[Key, MetricScores]

    @property
    def benchmarks(self) -> dict[str, BenchmarkRun]:
        return {ran.name: ran for ran in self.results.benchmarks}

    def metrics(self, benchmark: str) -> dict[str, Metric]:
        """The metrics of a benchmark by their keys."""
        every = (one.metric for one in self.results.metrics)
        return {metric.key: metric for metric in every if metric.benchmark == benchmark}

    def items(self, benchmark: str) -> set[str]:
        """The ids of a benchmark's items on which anything was measured."""
        return {id for key in self.metrics(benchmark) for id in self.scores[benchmark, key].items}


def read(folder: Path) -> Side:
    """A results folder with its scores.  Raises InputError if it cannot be read."""
    found = results.read(folder)
    metrics = [one.metric for one in found.metrics]
    return Side(folder, found, gather(folder, metrics, policy_of(found)))


def policy_of(found: Results) -> Policy:
    """The policy under which it was scored.

    If that is gone, no answer follows from others, and what was not asked is unscored: it shows.
    """
    own = found.config.get("policy")
    if own is None:
        return load()
    try:
        return load(Path(own)) if isinstance(own, str) and Path(own).is_file() else Policy({})
    except InputError:
        return Policy({})


def compare(base: Path | Side, treated: Path | Side, level: float = 0.05) -> Comparison:
    """The treated model's results against the base's, paired on their items.

    A difference is significant if its q is at most `level`; q is adjusted (Benjamini–Hochberg)
    over all metrics of this comparison that are not withheld, for a withheld one claims nothing.
    Raises InputError if a folder cannot be read, and for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"a level of significance lies between 0 and 1, as 0.05, not {level}")
    first = base if isinstance(base, Side) else read(base)
    second = treated if isinstance(treated, Side) else read(treated)
    found, not_compared = _differences(first, second, level)
    found = _adjust(found)
    sides = first.results, second.results
    same = first.folder.resolve() == second.folder.resolve()
    count = counts(found, level)
    return Comparison(
        base=first.results,
        treated=second.results,
        base_folder=str(first.folder),
        treated_folder=str(second.folder),
        differences=found,
        not_compared=not_compared,
        counted=count.counted,
        better=count.better,
        worse=count.worse,
        improved=count.improved,
        impaired=count.impaired,
        disagree=disagree(found, level),
        headline=headline(sides, found, len(not_compared), level, same),
        level=level,
    )


def _differences(
    base: Side, treated: Side, level: float
) -> tuple[list[Difference], dict[str, str]]:
    """The differences of all metrics that can be compared, and why others cannot, by benchmark or
    `BENCHMARK: METRIC`."""
    found, not_compared = [], {}
    runs = base.benchmarks, treated.benchmarks
    for name in runs[0] | runs[1]:
        missing = [side for side in (0, 1) if name not in runs[side]]
        if missing:
            results = (base, treated)[missing[0]].results
            not_compared[name] = describe_missing(missing[0], results, name)
            continue
        if why := _benchmark_mismatches(name, base, treated):
            not_compared[name] = "; ".join(why)
            continue
        some, others = _compare_metrics(name, base, treated, level)
        found += some
        not_compared |= others
    return found, not_compared


def _benchmark_mismatches(name: str, base: Side, treated: Side) -> list[str]:
    """Why a benchmark that both were run on is not compared."""
    first, second = base.benchmarks[name], treated.benchmarks[name]
    why = run_mismatches(first, second, (base.results.config, treated.results.config))
    items = base.items(name), treated.items(name)
    common = len(items[0] & items[1]) if items[0] and items[1] else None
    if first.items_hash != second.items_hash or common == 0:
        why.append(describe_item_mismatch(first, second, common))
    if not base.metrics(name) and not treated.metrics(name):
        why.append("nothing measured it: name who judges it with --judge and --rescore both")
    return why


def _compare_metrics(
    name: str, base: Side, treated: Side, level: float
) -> tuple[list[Difference], dict[str, str]]:
    """One benchmark's differences by metric, and why other metrics are not compared."""
    found, not_compared = [], {}
    ran, other = base.benchmarks[name], treated.benchmarks[name]
    metrics = base.metrics(name), treated.metrics(name)
    for key in metrics[0] | metrics[1]:
        missing = [side for side in (0, 1) if key not in metrics[side]]
        if missing:
            results = (base, treated)[missing[0]].results
            left_out = f"{name}: {(metrics[0] | metrics[1])[key].question}"
            not_compared[f"{name}: {key}"] = describe_missing(missing[0], results, left_out, name)
            continue
        scores = base.scores[name, key], treated.scores[name, key]
        if why := metric_mismatches(metrics[0][key], metrics[1][key], scores):
            not_compared[f"{name}: {key}"] = "; ".join(why)
            continue
        found.append(
            paired(
                metrics[0][key],
                scores,
                ran.items,
                group=ran.group,
                primary=key == ran.primary == other.primary,
                level=level,
            )
        )
    if found and ran.primary != other.primary:
        not_compared[f"{name}: headline"] = (
            f"{ran.primary} stands for it in the base and {other.primary} in the treated results: "
            "evaluate both models with the same benchmark file and the same --judge"
        )
    return found, not_compared


def _adjust(found: list[Difference]) -> list[Difference]:
    """The differences with their q; a withheld one has none."""
    tested = {at: d.p for at, d in enumerate(found) if d.withheld is None and d.p is not None}
    adjusted = dict(zip(tested, benjamini_hochberg(list(tested.values())).tolist(), strict=True))
    return [msgspec.structs.replace(d, q=adjusted.get(at)) for at, d in enumerate(found)]
