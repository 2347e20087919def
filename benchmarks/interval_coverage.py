"""How often a 95 % interval holds the truth: bootstrap and Wilson, on populations that are known.

python benchmarks/interval_coverage.py [SIMULATIONS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from trueline.statistics.agreement import cohen, krippendorff
from trueline.statistics.intervals import Interval, wilson
from trueline.statistics.resample import bootstrap
from trueline.statistics.sums import Statistic, difference, mean

Generator = np.random.Generator
RESAMPLES = 2000


def ratings(draw: Generator, units: int, shares: tuple[float, ...], raters: int, wrong: float):
    """(units, raters): the true value, or with the chance `wrong` one drawn at random."""
    truth = draw.choice(len(shares), size=(units, 1), p=shares)
    errs = draw.random((units, raters)) < wrong
    return np.where(errs, draw.choice(len(shares), size=(units, raters), p=shares), truth)


def clustered(draw: Generator, clusters: int, spread: float = 1.0):
    """Values of clusters of 1 to 19 units whose means differ, and the names of their clusters."""
    names = np.repeat(np.arange(clusters), draw.integers(1, 20, size=clusters))
    return draw.normal(size=clusters)[names] * spread + draw.normal(size=len(names)), names


def interval(statistic: Statistic, draw: Generator, clusters: Any = None) -> Interval:
    """With resamples of its own: one seed for all would share its error among all simulations."""
    seed = int(draw.integers(1 << 31))
    return bootstrap(statistic, clusters, resamples=RESAMPLES, seed=seed)


def percentile(statistic: Statistic, draw: Generator) -> tuple[float, float]:
    """The plain percentile interval, to compare with."""
    rows, counts = np.unique(statistic.rows, axis=0, return_counts=True)
    weights = draw.multinomial(counts.sum(), counts / counts.sum(), size=RESAMPLES)
    return tuple(np.nanquantile(statistic.of(weights @ rows), [0.025, 0.975]))


def report(name: str, truth: float, once: Callable[[Generator], Interval], count: int) -> None:
    """Prints coverage, on which side the truth was missed, and how many had no limits."""
    draw = np.random.default_rng(7)
    found = [once(draw) for _ in range(count)]
    none = sum(np.isnan(i.low) for i in found)
    low = sum(truth < i.low - 1e-12 for i in found)
    high = sum(truth > i.high + 1e-12 for i in found)
    width = np.nanmean([i.high - i.low for i in found])
    held = (count - none - low - high) / max(count - none, 1)
    print(
        f"{name:44s} {100 * held:5.1f} %  missed below {low:4d}, above {high:4d}; "
        f"none {none:4d}; width {width:.3f}",
        flush=True,
    )


def means(count: int) -> None:
    """Means of symmetric, skewed and binary values, and differences of paired ones."""
    for n in (10, 30, 200):
        take = {
            "normal": (0.0, lambda d, n=n: d.normal(size=n)),
            "lognormal": (np.exp(0.5), lambda d, n=n: np.exp(d.normal(size=n))),
            "0 or 1, 30 %": (0.3, lambda d, n=n: (d.random(n) < 0.3).astype(float)),
        }
        for name, (truth, values) in take.items():
            once = lambda d, v=values: interval(mean(v(d)), d)  # noqa: E731
            report(f"mean, {name}, n = {n}", truth, once, count)

    def paired(draw: Generator) -> Interval:
        hard = draw.normal(size=100)
        first = mean(hard + 0.5 + draw.normal(size=100) / 2)
        return interval(difference(first, mean(hard)), draw)

    report("paired difference, n = 100", 0.5, paired, count)
    for clusters in (5, 10, 20, 50):

        def once(draw: Generator, clusters: int = clusters) -> Interval:
            values, names = clustered(draw, clusters)
            return interval(mean(values), draw, names)

        report(f"mean, {clusters} clusters of unlike size", 0.0, once, count)

    def ignored(draw: Generator) -> Interval:
        return interval(mean(clustered(draw, 20)[0]), draw)

    report("the same, 20 clusters, clusters ignored", 0.0, ignored, count)


def coefficients(count: int) -> None:
    """α and κ from perfect to poor, against their value in a sample of 400,000 units."""
    cases = [
        ("2 values, 2 raters, n = 50", 50, (0.5, 0.5), 2, 0.3),
        ("3 values, near perfect, n = 450", 450, (0.5, 0.2, 0.3), 2, 0.015),
        ("3 values, middling, n = 450", 450, (0.5, 0.2, 0.3), 2, 0.22),
        ("3 values, good, n = 40", 40, (0.5, 0.2, 0.3), 2, 0.1),
        ("one value rare, n = 200", 200, (0.95, 0.05), 2, 0.2),
        ("3 raters, n = 25", 25, (0.4, 0.3, 0.3), 3, 0.2),
    ]
    for name, units, shares, raters, wrong in cases:
        many = ratings(np.random.default_rng(1), 400_000, shares, raters, wrong)
        truth = krippendorff(many).value

        def sample(draw: Generator, u=units, s=shares, r=raters, w=wrong) -> Statistic:
            return krippendorff(ratings(draw, u, s, r, w))

        def ours(draw: Generator, sample=sample) -> Interval:
            return interval(sample(draw), draw)

        def plain(draw: Generator, sample=sample) -> Interval:
            statistic = sample(draw)
            return Interval(statistic.value, *percentile(statistic, draw), 0)

        report(f"alpha {truth:.2f}: {name}", truth, ours, count)
        report("    its percentile interval", truth, plain, count)
    many = ratings(np.random.default_rng(1), 400_000, (0.1, 0.2, 0.4, 0.2, 0.1), 2, 0.3)
    for kind, of in (
        ("ordinal alpha", lambda r: krippendorff(r, "ordinal")),
        ("quadratic kappa", lambda r: cohen(r, "quadratic")),
    ):

        def once(draw: Generator, of=of) -> Interval:
            five = ratings(draw, 60, (0.1, 0.2, 0.4, 0.2, 0.1), 2, 0.3)
            return interval(of(five), draw)

        report(f"{kind}, 5 levels, n = 60", of(many).value, once, count)


def proportions(count: int) -> None:
    """Wilson's interval."""
    for n, p in ((10, 0.1), (50, 0.02), (200, 0.5)):
        once = lambda d, n=n, p=p: wilson(int(d.binomial(n, p)), n)  # noqa: E731
        report(f"Wilson, {p} of {n}", p, once, count * 5)


def speed() -> None:
    """Seconds for 10,000 resamples of 1,000 units, the best of five."""
    draw = np.random.default_rng(0)
    pairs = ratings(draw, 1000, (0.5, 0.3, 0.2), 2, 0.2)
    sets = [[tuple(np.flatnonzero(draw.random(19) < 0.1)) for _ in range(2)] for _ in range(1000)]
    for name, statistic in (
        ("mean", mean(draw.normal(size=1000))),
        ("alpha, nominal", krippendorff(pairs)),
        ("alpha, ordinal", krippendorff(pairs, "ordinal")),
        ("alpha, sets of 19 options", krippendorff(sets, "masi")),
        ("kappa", cohen(pairs)),
    ):
        took = []
        for _ in range(5):
            started = time.perf_counter()
            bootstrap(statistic)
            took.append(time.perf_counter() - started)
        width = statistic.rows.shape[1]
        print(f"{name:30s} {width:4d} sums, 10,000 resamples of 1,000 units: {min(took):.2f} s")


if __name__ == "__main__":
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    means(simulations)
    coefficients(simulations)
    proportions(simulations)
    speed()
