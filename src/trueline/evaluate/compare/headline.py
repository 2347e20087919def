"""A comparison in one line, and the benchmarks on which two instruments see it differently."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from msgspec import Struct

from trueline.evaluate.compare.comparability import SIDES
from trueline.evaluate.results import Comparison, Difference, Results


class GainCounts(Struct, frozen=True):
    """Primary metrics that count: how many gained and lost, and how many of those significantly."""

    counted: int
    better: int
    worse: int
    improved: int
    impaired: int


def is_significant(d: Difference, level: float) -> bool:
    """Whether there is a difference, at this level after adjustment."""
    return d.withheld is None and d.q is not None and d.q <= level and d.direction != 0


def count_gains(differences: Sequence[Difference], level: float) -> GainCounts:
    """The primary metrics that are not withheld, by what became of them."""
    counted = [d for d in differences if d.primary and d.withheld is None]
    better = [d for d in counted if d.direction > 0]
    worse = [d for d in counted if d.direction < 0]
    return GainCounts(
        counted=len(counted),
        better=len(better),
        worse=len(worse),
        improved=sum(is_significant(d, level) for d in better),
        impaired=sum(is_significant(d, level) for d in worse),
    )


def write_headline(
    sides: tuple[Results, Results],
    differences: Sequence[Difference],
    n_not_compared: int,
    level: float,
    same_folder: bool = False,
) -> str:
    """The comparison in one line; `n_not_compared` things were not compared.  If it can have none,
    the line begins with "no headline" and says why."""
    unfinished = [name for name, side in zip(SIDES, sides, strict=True) if not side.complete]
    if unfinished:
        return (
            f"no headline: the {' and the '.join(unfinished)} results are not complete; the same "
            "evaluate command again finishes them"
        )
    withheld = sum(d.primary and d.withheld is not None for d in differences)
    rest = [f"{withheld:,} withheld"] if withheld else []
    rest += [f"{n_not_compared:,} not compared"] if n_not_compared else []
    counts = count_gains(differences, level)
    if not counts.counted:
        return f"no headline: {' and '.join(rest) or 'there is nothing to compare'}"
    if same_folder:
        return "the same results on both sides: there is nothing to claim"
    line = (
        f"better on {counts.better:,} of {counts.counted:,}, significant on {counts.improved:,} "
        f"(worse on {counts.worse:,}, significant on {counts.impaired:,})"
    )
    if sides[0].identity == sides[1].identity:
        line = f"the same model on both sides, so that only its runs differ: {line}"
    return "; ".join([line, *rest])


def is_complete(comparison: Comparison) -> bool:
    """Whether all was compared, nothing of it withheld, and there is a headline."""
    if not (comparison.base.complete and comparison.treated.complete and comparison.counted):
        return False
    withheld = [d for d in comparison.differences if d.withheld is not None]
    return not comparison.not_compared and not withheld


# ---- two instruments -------------------------------------------------------------------------


def describe_disagreements(differences: Sequence[Difference], level: float) -> dict[str, str]:
    """By benchmark on which two instruments disagree, the change as each of them sees it."""
    disputed = find_disagreements(differences, level)
    return {name: "; ".join(_view(d, level) for d in views) for name, views in disputed.items()}


def find_disagreements(
    differences: Sequence[Difference], level: float
) -> dict[str, list[Difference]]:
    """By benchmark, the differences of all questions on which two of its instruments disagree.

    Two disagree if they were asked the same question and see the change with opposite signs, or if
    only one of them sees a significant one.  Withheld differences do not count; and fewer refusals
    together with less help are no disagreement, but two findings.
    """
    by_question: dict[tuple[str, str], list[Difference]] = {}
    for d in differences:
        if d.withheld is None:
            by_question.setdefault((d.metric.benchmark, d.metric.question), []).append(d)
    disputed: dict[str, list[Difference]] = {}
    for (name, _), views in by_question.items():
        if any(_disagree(a, b, level) for a, b in combinations(views, 2)):
            disputed.setdefault(name, []).extend(views)
    return disputed


def _disagree(one: Difference, other: Difference, level: float) -> bool:
    first, second = ((d.metric.name, d.metric.instrument) for d in (one, other))
    if first == second:
        return False
    signs = one.direction * other.direction < 0
    return signs or is_significant(one, level) != is_significant(other, level)


def _view(d: Difference, level: float) -> str:
    """One instrument's view of the change."""
    metric, estimate = d.metric, d.gain.estimate
    if not estimate:
        return f"{metric.key}: no change"
    gain = f"{100 * estimate:+.1f} points" if metric.is_share else f"{estimate:+.3f}"
    kind = "gain" if d.direction > 0 else "loss"
    how = "a significant" if is_significant(d, level) else "no significant"
    return f"{metric.key}: {how} {kind} ({gain})"
