"""Two evaluated models on the same items: what changed, how sure that is, and what cannot be said.

Only what was asked of both in the same way, and scored by the same instrument, is compared.
`read_side` reads a results folder into a `Side`, `compare` makes a `Comparison` of two.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.evaluate import results
from trueline.evaluate.benchmarks.items import TAG
from trueline.evaluate.compare.comparability import (
    describe_item_mismatch,
    describe_missing,
    metric_mismatches,
    run_mismatches,
)
from trueline.evaluate.compare.group_means import group_means
from trueline.evaluate.compare.headline import count_gains, describe_disagreements, write_headline
from trueline.evaluate.compare.paired import compare_metric
from trueline.evaluate.results import BenchmarkRun, Comparison, Difference, Metric, Results
from trueline.evaluate.scores import Key, MetricScores, gather
from trueline.files.errors import InputError
from trueline.policy.load import load
from trueline.policy.types import Policy
from trueline.records.types import Example
from trueline.statistics.multiple import benjamini_hochberg


class Side(Struct, frozen=True):
    """One model's results with the scores of every item.

    `texts` has the items' Examples without labels, by benchmark and id, if they were kept: encoded,
    because they take several times the memory as objects.
    """

    folder: Path
    results: Results
    scores: dict[Key, MetricScores]
    texts: dict[tuple[str, str], bytes] | None = None

    @property
    def benchmarks(self) -> dict[str, BenchmarkRun]:
        return {ran.name: ran for ran in self.results.benchmarks}

    def metrics(self, benchmark: str) -> dict[str, Metric]:
        """The metrics of a benchmark by their keys."""
        metrics = (result.metric for result in self.results.metrics)
        return {metric.key: metric for metric in metrics if metric.benchmark == benchmark}

    def items(self, benchmark: str) -> set[str]:
        """The ids of a benchmark's items on which anything was measured."""
        return {id for key in self.metrics(benchmark) for id in self.scores[benchmark, key].items}

    def example(self, benchmark: str, id: str) -> Example:
        """One item of a side whose texts were kept, without labels."""
        assert self.texts is not None
        return _decoder.decode(self.texts[benchmark, id])


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Example)


def read_side(folder: Path, *, keep_texts: bool = False) -> Side:
    """A results folder with its scores, read once; `keep_texts` is for a reader who shows items.

    Raises InputError if it cannot be read.
    """
    found = results.read(folder)
    metrics = [result.metric for result in found.metrics]
    texts: dict[tuple[str, str], bytes] = {}

    def keep(example: Example) -> None:
        plain = msgspec.structs.replace(example, labels=())
        texts[example.tag(TAG) or "", example.id] = _encoder.encode(plain)

    scores = gather(folder, metrics, find_policy(found), on_example=keep if keep_texts else None)
    return Side(folder, found, scores, texts if keep_texts else None)


def find_policy(evaluated: Results) -> Policy:
    """The policy under which results were scored.  If that is gone, no answer follows from others,
    and what was not asked is unscored: it shows."""
    own = evaluated.config.get("policy")
    if own is None:  # the record of an evaluation without --policy: trueline's own it was
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
    first = base if isinstance(base, Side) else read_side(base)
    second = treated if isinstance(treated, Side) else read_side(treated)
    differences, not_compared = _differences(first, second, level)
    differences = _adjust(differences)
    sides = first.results, second.results
    is_same = first.folder.resolve() == second.folder.resolve()
    counts = count_gains(differences, level)
    return Comparison(
        base=first.results,
        treated=second.results,
        base_folder=str(first.folder),
        treated_folder=str(second.folder),
        differences=differences,
        not_compared=not_compared,
        counted=counts.counted,
        better=counts.better,
        worse=counts.worse,
        improved=counts.improved,
        impaired=counts.impaired,
        disagreements=describe_disagreements(differences, level),
        group_means=group_means(differences, level),
        headline=write_headline(sides, differences, len(not_compared), level, is_same),
        level=level,
    )


def _differences(
    base: Side, treated: Side, level: float
) -> tuple[list[Difference], dict[str, str]]:
    """The differences of all metrics that can be compared, and why others cannot, by benchmark or
    `BENCHMARK: METRIC`."""
    differences, not_compared = [], {}
    runs = base.benchmarks, treated.benchmarks
    for name in runs[0] | runs[1]:
        absent = [side for side in (0, 1) if name not in runs[side]]
        if absent:
            lacking = (base, treated)[absent[0]].results
            not_compared[name] = describe_missing(absent[0], lacking, name)
            continue
        if mismatches := _mismatches(name, base, treated):
            not_compared[name] = "; ".join(mismatches)
            continue
        some, others = _metric_differences(name, base, treated, level)
        differences += some
        not_compared |= others
    return differences, not_compared


def _mismatches(name: str, base: Side, treated: Side) -> list[str]:
    """Why a benchmark that both were run on is not compared."""
    first, second = base.benchmarks[name], treated.benchmarks[name]
    mismatches = run_mismatches(first, second, (base.results.config, treated.results.config))
    items = base.items(name), treated.items(name)
    common = len(items[0] & items[1]) if items[0] and items[1] else None
    if first.items_hash != second.items_hash or common == 0:
        mismatches.append(describe_item_mismatch(first, second, common))
    if not base.metrics(name) and not treated.metrics(name):
        mismatches.append("nothing measured it: name who judges it with --judge and --rescore both")
    return mismatches


def _metric_differences(
    name: str, base: Side, treated: Side, level: float
) -> tuple[list[Difference], dict[str, str]]:
    """One benchmark's differences by metric, and why other metrics are not compared."""
    differences, not_compared = [], {}
    ran, other = base.benchmarks[name], treated.benchmarks[name]
    metrics = base.metrics(name), treated.metrics(name)
    for key in metrics[0] | metrics[1]:
        absent = [side for side in (0, 1) if key not in metrics[side]]
        if absent:
            lacking = (base, treated)[absent[0]].results
            left_out = f"{name}: {(metrics[0] | metrics[1])[key].question}"
            not_compared[f"{name}: {key}"] = describe_missing(absent[0], lacking, left_out, name)
            continue
        scores = base.scores[name, key], treated.scores[name, key]
        if mismatches := metric_mismatches(metrics[0][key], metrics[1][key], scores):
            not_compared[f"{name}: {key}"] = "; ".join(mismatches)
            continue
        is_primary = key == ran.primary == other.primary
        differences.append(
            compare_metric(
                metrics[0][key],
                scores,
                ran.items,
                group=ran.group,
                primary=is_primary,
                level=level,
            )
        )
    if differences and ran.primary != other.primary:
        not_compared[f"{name}: headline"] = (
            f"{ran.primary} stands for it in the base and {other.primary} in the treated results: "
            "evaluate both models with the same benchmark file and the same --judge"
        )
    return differences, not_compared


def _adjust(differences: list[Difference]) -> list[Difference]:
    """The differences with their q; a withheld one has none."""
    tested = {at: d.p for at, d in enumerate(differences) if d.withheld is None and d.p is not None}
    adjusted = dict(zip(tested, benjamini_hochberg(list(tested.values())).tolist(), strict=True))
    return [msgspec.structs.replace(d, q=adjusted.get(at)) for at, d in enumerate(differences)]
