"""Why two evaluations of a benchmark, or of a metric on them, cannot be compared: each mismatch in
words that say what to do."""

from __future__ import annotations

from typing import Any

import msgspec

from trueline.evaluate.results import BenchmarkRun, Metric, Results
from trueline.evaluate.scores import MetricScores
from trueline.policy.values import rule_hash

SIDES = ("base", "treated")
_ASKING = ("temperature", "choice")
"""Settings that change how every item is asked."""


def run_mismatches(
    base: BenchmarkRun, treated: BenchmarkRun, configs: tuple[dict[str, Any], dict[str, Any]]
) -> list[str]:
    """Why two runs of a benchmark did not ask the same questions in the same way."""
    mismatches = []
    if base.data_hash != treated.data_hash:
        mismatches.append(
            f"its data are not the same (sha256 {base.data_hash[:12]}… and "
            f"{treated.data_hash[:12]}…): evaluate both models on the same files"
        )
    if (base.asking_hash, base.kind) != (treated.asking_hash, treated.kind):
        settings = [f"{n} {a} and {b}" for n in _ASKING for a, b in [_both(n, configs)] if a != b]
        how = f" ({', '.join(settings)})" if settings else ""
        mismatches.append(
            f"its items were asked in another way{how}: evaluate both models with the same options "
            "and the same benchmark file"
        )
    return mismatches


def _both(name: str, configs: tuple[dict[str, Any], dict[str, Any]]) -> list[Any]:
    return [config.get(name) for config in configs]


def describe_item_mismatch(base: BenchmarkRun, treated: BenchmarkRun, common: int | None) -> str:
    """Why two sets of items are not compared; `common` is how many are in both, if known."""
    shared = "" if common is None else f", {common or 'none'} of them in common"
    return (
        f"its items are not the same ({base.items} and {treated.items}{shared}): evaluate both "
        "models on the same data with the same --limit"
    )


def describe_missing(side: int, results: Results, *names: str) -> str:
    """Why a benchmark or metric that only the other side has is not compared; `names` are those
    under which the results may say why they lack it."""
    why = next((results.left_out[name] for name in names if name in results.left_out), None)
    reason = f", which left it out ({why})" if why else ""
    return (
        f"the {SIDES[side]} results lack it{reason}: evaluate the {SIDES[side]} model on it too, "
        "or score its answers again with --rescore"
    )


def metric_mismatches(
    base: Metric, treated: Metric, scores: tuple[MetricScores, MetricScores]
) -> list[str]:
    """Why two metrics of one name do not measure the same."""
    mismatches = []
    if base.instrument != treated.instrument:
        mismatches.append(
            f"{base.name} is not the same instrument ({_format_hash(base)} and "
            f"{_format_hash(treated)}): score both models' answers by one of them (trueline "
            "evaluate --rescore)"
        )
    if _what_counts(base) != _what_counts(treated):
        mismatches.append(
            "what counts, or which way is better, was not the same: evaluate both models with the "
            "same benchmark file"
        )
    first, second = (one.wordings for one in scores)
    if first and second and first != second:
        mismatches.append(
            f"{base.question} was not asked in the same words: score both models' answers under "
            "one policy (trueline evaluate --rescore)"
        )
    return mismatches


def _format_hash(metric: Metric) -> str:
    return "without a hash" if metric.instrument is None else f"{metric.instrument[:12]}…"


def _what_counts(metric: Metric) -> tuple[object, ...]:
    rule = msgspec.structs.replace(metric.rule, by=None)
    return metric.better, rule_hash(rule), metric.low, metric.high
