"""What a comparison comes to in one line, and on which benchmarks two instruments disagree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from msgspec import Struct

from trueline.evaluate.compare.comparability import SIDES
from trueline.evaluate.results import Comparison, Difference, Results


class Counts(Struct, frozen=True):
    """Primary metrics that count: how many gained and lost, and how many of those significantly."""

    counted: int
    better: int
    worse: int
    improved: int
    impaired: int


def significant(one: Difference, level: float) -> bool:
    """Whether there is a difference, at this level after adjustment."""
    return one.withheld is None and one.q is not None and one.q <= level and one.direction != 0


def counts(differences: Sequence[Difference], level: float) -> Counts:
    """The primary metrics that are not withheld, by what became of them."""
    counted = [one for one in differences if one.primary and one.withheld is None]
    better = [one for one in counted if one.direction > 0]
    worse = [one for one in counted if one.direction < 0]
    return Counts(
        counted=len(counted),
        better=len(better),
        worse=len(worse),
        improved=sum(significant(one, level) for one in better),
        impaired=sum(significant(one, level) for one in worse),
    )


def headline(
    sides: tuple[Results, Results],
    differences: Sequence[Difference],
    left: int,
    level: float,
    same_folder: bool = False,
) -> str:
    """The comparison in one line; `left` things were not compared.  Where it can have none, the
    line begins with "no headline" and says why."""
    unfinished = [name for name, side in zip(SIDES, sides, strict=True) if not side.complete]
    if unfinished:
        return (
            f"no headline: the {' and the '.join(unfinished)} results are not complete; the same "
            "evaluate command again finishes them"
        )
    withheld = sum(one.primary and one.withheld is not None for one in differences)
    rest = [f"{withheld:,} withheld"] if withheld else []
    rest += [f"{left:,} not compared"] if left else []
    found = counts(differences, level)
    if not found.counted:
        return f"no headline: {' and '.join(rest) or 'there is nothing to compare'}"
    if same_folder:
        return "the same results on both sides: there is nothing to claim"
    said = (
        f"better on {found.better:,} of {found.counted:,}, significant on {found.improved:,} "
        f"(worse on {found.worse:,}, significant on {found.impaired:,})"
    )
    if sides[0].identity == sides[1].identity:
        said = f"the same model on both sides, so that only its runs differ: {said}"
    return "; ".join([said, *rest])


def sound(one: Comparison) -> bool:
    """Whether all was compared, nothing of it withheld, and there is a headline."""
    whole = one.base.complete and one.treated.complete and one.counted > 0
    return whole and not one.not_compared and all(d.withheld is None for d in one.differences)


# ---- two instruments -------------------------------------------------------------------------


def disagree(differences: Sequence[Difference], level: float) -> dict[str, str]:
    """By benchmark, what its instruments see, if two of them, asked the same question, see the
    change with opposite signs, or only one of them sees a significant one.  What is withheld has
    no say; and fewer refusals beside less help is no disagreement, but two findings."""
    found = disputed(differences, level)
    return {name: "; ".join(_seen(d, level) for d in several) for name, several in found.items()}


def disputed(differences: Sequence[Difference], level: float) -> dict[str, list[Difference]]:
    """By benchmark, the differences of all questions on which two of its instruments disagree."""
    asked: dict[tuple[str, str], list[Difference]] = {}
    for one in differences:
        if one.withheld is None:
            asked.setdefault((one.metric.benchmark, one.metric.question), []).append(one)
    found: dict[str, list[Difference]] = {}
    for (name, _), several in asked.items():
        if any(_opposed(a, b, level) for a, b in combinations(several, 2)):
            found.setdefault(name, []).extend(several)
    return found


def _opposed(one: Difference, other: Difference, level: float) -> bool:
    first, second = ((d.metric.name, d.metric.instrument) for d in (one, other))
    if first == second:
        return False
    signs = one.direction * other.direction < 0
    return signs or significant(one, level) != significant(other, level)


def _seen(one: Difference, level: float) -> str:
    """One instrument's view of the change."""
    metric, estimate = one.metric, one.gain.estimate
    share = (metric.low, metric.high) == (0.0, 1.0)
    if not estimate:
        return f"{metric.key}: no change"
    gain = f"{100 * estimate:+.1f} points" if share else f"{estimate:+.3f}"
    kind = "gain" if one.direction > 0 else "loss"
    how = "a significant" if significant(one, level) else "no significant"
    return f"{metric.key}: {how} {kind} ({gain})"
