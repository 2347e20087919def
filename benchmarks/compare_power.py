"""Whether `compare` finds what theory says it should, and no more, on simulated suites at size.

python benchmarks/compare_power.py [SIMULATIONS]

Scores are simulated, and go through the same function as those of a results folder; the last part
writes folders of a whole suite and compares them as the command line does.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from math import comb, exp, lgamma, log, log1p, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.evaluate.made import bench, folder_of, metric

from trueline.evaluate.compare.compare import compare
from trueline.evaluate.compare.paired import compare_metric
from trueline.evaluate.results import Difference
from trueline.evaluate.scores import ItemScore, MetricScores
from trueline.statistics.intervals import student_quantile
from trueline.statistics.multiple import benjamini_hochberg

Generator = np.random.Generator
Draw = Callable[[Generator], tuple[Any, Any]]
LEVEL = 0.05


def scores(values: Sequence[float], names: Any) -> MetricScores:
    """Simulated scores as those of a folder."""
    found = MetricScores()
    for n, value in enumerate(values):
        name = str(n if names is None else names[n])
        found.add(f"{n:032x}", ItemScore(float(value), name, "", (float(value),)))
    return found


def difference(sides: tuple[Any, Any], names: Any = None) -> Difference:
    one, two = (scores(side, names) for side in sides)
    return compare_metric(metric(bench(low=-99.0, high=99.0)), (one, two), len(sides[0]))


# ---- power -----------------------------------------------------------------------------------


def answers(items: int, up: float, down: float) -> Draw:
    """0 or 1: a share `up` of the items gets better and `down` worse."""

    def draw(rng: Generator) -> tuple[Any, Any]:
        kind = rng.choice(4, size=items, p=[up, down, (1 - up - down) / 2, (1 - up - down) / 2])
        return np.isin(kind, [1, 2]) * 1.0, np.isin(kind, [0, 2]) * 1.0

    return draw


def scales(items: int, shift: float) -> Draw:
    """Means of several repeats: items differ by 1, and the two models by noise of .5 each."""

    def draw(rng: Generator) -> tuple[Any, Any]:
        hard = rng.normal(size=items)
        return tuple(hard + s + rng.normal(size=items) / 2 for s in (0.0, shift))  # type: ignore[return-value]

    return draw


def clustered(names: Any, shift: float) -> Draw:
    """A change that clusters share (.3) beside noise of each item (.5)."""

    def draw(rng: Generator) -> tuple[Any, Any]:
        shared = rng.normal(size=names.max() + 1)[names] * 0.3
        return np.zeros(len(names)), shift + shared + rng.normal(size=len(names)) / 2

    return draw


def exact(items: int, up: float, down: float) -> float:
    """The power of McNemar's exact test, from the binomial distribution: what a test of 0/1 scores
    can have.  Its p-values are few, so that it rejects less often than the level allows."""
    total = 0.0
    for changed in range(1, items + 1):
        chance = binomial(items, changed, up + down)
        if chance > 1e-9:
            tail = np.cumsum([comb(changed, k) / 2**changed for k in range(changed + 1)])
            total += chance * sum(
                binomial(changed, k, up / (up + down))
                for k in range(changed + 1)
                if 2 * tail[min(k, changed - k)] <= LEVEL
            )
    return total


def mcnemar(base: Any, treated: Any) -> float:
    """The exact two-sided p of 0/1 scores."""
    up, down = int((treated > base).sum()), int((treated < base).sum())
    tail = sum(comb(up + down, k) for k in range(min(up, down) + 1))
    return min(1.0, 2 * tail / 2 ** (up + down))


def binomial(n: int, k: int, p: float) -> float:
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p))


def power(count: int) -> None:
    """The share of simulations with p at most .05, beside Φ(δ/σ − t) and, of 0/1 scores, the exact
    test's; and how often the interval holds the true gain."""
    print(f"power at {LEVEL}, {count:,} simulations each")
    even = np.repeat(np.arange(40), 10)
    designs: list[tuple[str, Draw, float, float, int, Any]] = []
    discrete: dict[str, float] = {}
    for n, up, down in ((100, 0.2, 0.1), (200, 0.18, 0.08), (500, 0.12, 0.07), (200, 0.1, 0.1)):
        sd = sqrt(up + down - (up - down) ** 2) / sqrt(n)
        discrete[f"0/1, n = {n}, {up} {down}"] = exact(n, up, down)
        designs.append((f"0/1, n = {n}, {up} {down}", answers(n, up, down), up - down, sd, n, None))
    for n, shift in ((50, 0.25), (200, 0.15), (200, 0.0)):
        sd = sqrt(0.5 / n)
        designs.append((f"scale, n = {n}", scales(n, shift), shift, sd, n, None))
    for shift in (0.15, 0.0):
        sd = sqrt((0.3**2 + 0.5**2 / 10) / 40)
        designs.append(("40 clusters of 10", clustered(even, shift), shift, sd, 40, even))
    for number, (name, draw, gain, sd, units, names) in enumerate(designs):
        rng = np.random.default_rng([11, number])
        drawn = [draw(rng) for _ in range(count)]
        found = [difference(sides, names) for sides in drawn]
        sure = np.mean([d.p <= LEVEL for d in found])
        held = np.mean([d.gain.low <= gain <= d.gain.high for d in found])
        edge = student_quantile(1 - LEVEL, units - 1)
        normal = NormalDist()
        theory = normal.cdf(gain / sd - edge) + normal.cdf(-gain / sd - edge)
        if not gain:
            theory = LEVEL
        best = discrete.get(name, theory)
        error = sqrt(best * (1 - best) / count)
        also = ""
        if name in discrete:
            same = np.mean([mcnemar(*sides) <= LEVEL for sides in drawn])
            also = f", exact test {100 * best:.1f} % ({100 * same:.1f} % on these draws)"
        print(
            f"  {name:24s} gain {gain:.2f}: {100 * sure:5.1f} % (± {100 * error:.1f}); normal "
            f"theory {100 * theory:.1f} %{also}; interval holds it {100 * held:.1f} %",
            flush=True,
        )


# ---- false discoveries -----------------------------------------------------------------------


def suites(count: int) -> None:
    """Suites of 30 metrics of 150 items, of which none or 10 have an effect; half the items'
    chances are near 0 or 1, as those of one model in two runs are."""
    print(f"false discoveries, {count:,} suites of 30 metrics of 150 items")
    for effects in (0, 10):
        rng, false, claims, hits, any_ = np.random.default_rng(12), 0.0, 0, 0, 0
        for _ in range(count):
            p = []
            for number in range(30):
                right = rng.beta(0.6, 0.6, size=150)
                after = np.clip(right + 0.15, 0, 1) if number < effects else right
                p.append(difference(tuple((rng.random(150) < c) * 1.0 for c in (right, after))).p)  # type: ignore[arg-type]
            sure = benjamini_hochberg(p) <= LEVEL
            wrong = int(sure[effects:].sum())
            false += wrong / max(int(sure.sum()), 1)
            claims, hits = claims + int(sure.sum()), hits + int(sure[:effects].sum())
            any_ += wrong > 0
        rate = false / count
        said = f"mean share of false claims {100 * rate:.1f} %"
        found = f"; {100 * hits / (effects * count):.0f} % of effects found" if effects else ""
        print(
            f"  {effects} effects: {said} (held at {100 * LEVEL:.0f} %); any false claim in "
            f"{100 * any_ / count:.1f} % of suites{found}",
            flush=True,
        )


def ignoring(count: int) -> None:
    """No effect, and clusters whose items change together: p with and without the clusters."""
    print(f"clusters of 10, no effect, {count:,} simulations each: claims at {LEVEL}")
    for groups in (10, 40):
        names = np.repeat(np.arange(groups), 10)
        rng, draw = np.random.default_rng(13), clustered(names, 0.0)
        sides = [draw(rng) for _ in range(count)]
        held, ignored = (
            np.mean([difference(side, which).p <= LEVEL for side in sides])
            for which in (names, None)
        )
        print(f"  {groups} clusters: {100 * held:.1f} %, ignored {100 * ignored:.1f} %", flush=True)


# ---- at size ---------------------------------------------------------------------------------


def at_size(benchmarks: int = 53, items: int = 500) -> None:
    """Two folders of a whole suite, compared from disk."""
    rng = np.random.default_rng(14)
    right = rng.beta(0.8, 0.8, size=(benchmarks, items))
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for side in ("base", "treated"):
            made = [
                bench(*(rng.random(items) < row).tolist(), name=f"b{n}")
                for n, row in enumerate(right)
            ]
            paths.append(folder_of(Path(name) / side, *made))
        started = time.perf_counter()
        found = compare(*paths)
        took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"two runs of one model, {benchmarks} benchmarks of {items} items in folders: "
        f"{found.headline}; {took:.1f} s, peak {peak:.0f} MiB with the writing"
    )


if __name__ == "__main__":
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    power(simulations)
    suites(max(1, simulations // 5))
    ignoring(simulations)
    at_size()
