"""α and κ equal the published examples to the digits printed there, and their own definitions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from trueline.statistics.agreement import cohen, fleiss, krippendorff, raw
from trueline.statistics.distance import Metric, jaccard, masi

# Krippendorff (2011), four observers, twelve units, and the example of two observers
FOUR = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
MEG, OWEN = "0100000010", "1110010000"
BEN, GERRY = "aabbdcccedda", "babbbccceddd"

# Fleiss (1971): 30 patients, how many of 6 psychiatrists gave each of 5 diagnoses
PATIENTS = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 00501
30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""

# Landis and Koch (1977): two neurologists on multiple sclerosis, in two cities
WINNIPEG = [[38, 5, 0, 1], [33, 11, 3, 0], [10, 14, 5, 6], [3, 7, 3, 10]]
NEW_ORLEANS = [[5, 3, 0, 0], [3, 11, 4, 0], [2, 13, 3, 4], [1, 2, 4, 14]]

# Cohen (1960, 1968): 200 diagnoses by two judges
COHEN = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]


def units(text: str) -> list[list[int | None]]:
    rows = [line.split() for line in text.split("\n") if line]
    return [[None if x == "." else int(x) for x in unit] for unit in zip(*rows, strict=True)]


def spread(table: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    return [
        (i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("metric", "printed"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_of_four_observers(metric: Metric, printed: float) -> None:
    assert round(krippendorff(units(FOUR), metric).value, 3) == printed
    as_array = np.array([[math.nan if v is None else v for v in u] for u in units(FOUR)])
    assert round(krippendorff(as_array, metric).value, 3) == printed


def test_alpha_of_two_observers() -> None:
    binary = krippendorff(list(zip(MEG, OWEN, strict=True)))
    assert round(binary.value, 3) == 0.095
    assert round(krippendorff(list(zip(BEN, GERRY, strict=True))).value, 3) == 0.692


def test_kappa_of_cohen() -> None:
    assert round(cohen(spread(COHEN)).value, 3) == 0.492
    for weights, printed in (
        ([[0, 1, 3], [1, 0, 6], [3, 6, 0]], 0.348),
        ([[0, 1, 4], [1, 0, 6], [2, 2, 0]], 0.353),
    ):
        assert round(cohen(spread(COHEN), weights, [0, 1, 2]).value, 3) == printed


def test_kappa_of_landis_and_koch() -> None:
    assert round(cohen(spread(WINNIPEG)).value, 3) == 0.208
    assert round(cohen(spread(NEW_ORLEANS)).value, 3) == 0.297


def test_kappa_of_fleiss() -> None:
    ratings = [[k for k, n in enumerate(row) for _ in range(int(n))] for row in PATIENTS.split()]
    assert round(fleiss(ratings).value, 3) == 0.430
    assert round(raw(ratings).value, 3) == 0.556


def test_alpha_of_sets_by_hand() -> None:
    given = [(("a",), ["a"]), (("a", "b"), ("a",)), ({"c"}, ("b",))]
    assert krippendorff(given, "masi").value == pytest.approx(1 - 5 * 10 / 64)
    assert krippendorff(given, "jaccard").value == pytest.approx(1 - 5 * 3 / 20)
    alone = [[None if v is None else (v,) for v in unit] for unit in units(FOUR)]
    assert round(krippendorff(alone, "masi").value, 3) == 0.743


def test_sets_that_overlap_more_are_nearer() -> None:
    apart = masi([frozenset(s) for s in ("ab", "abc", "bc", "c", "")])
    third = 1 / 3
    assert apart == pytest.approx(
        np.array(
            [
                [0, 1 - 2 * third * 2 * third, 1 - third * third, 1, 1],
                [1 - 2 * third * 2 * third, 0, 1 - 2 * third * 2 * third, 1 - third * 2 * third, 1],
                [1 - third * third, 1 - 2 * third * 2 * third, 0, 1 - 0.5 * 2 * third, 1],
                [1, 1 - third * 2 * third, 1 - 0.5 * 2 * third, 0, 1],
                [1, 1, 1, 1, 0],
            ]
        )
    )
    assert masi([]).shape == jaccard([]).shape == (0, 0)
    assert jaccard([frozenset("ab"), frozenset("bc"), frozenset()]) == pytest.approx(
        np.array([[0, 1 - third, 1], [1 - third, 0, 1], [1, 1, 0]])
    )


def test_alpha_is_one_minus_the_ratio_of_mean_disagreements() -> None:
    draw = np.random.default_rng(2)
    for _ in range(30):
        shape = draw.integers(3, 15), draw.integers(2, 5)
        given: list[list[Any]] = draw.integers(0, 4, size=shape).tolist()
        for unit in given:
            unit[:] = [None if draw.random() < 0.3 else v for v in unit]
        for metric in ("nominal", "ordinal", "interval"):
            expected = by_definition(given, metric)
            found = krippendorff(given, metric).value
            assert found == pytest.approx(expected, nan_ok=True)
        sets = [[v if v is None else ("ab", "b", "abc", "")[v] for v in u] for u in given]
        as_sets = [[v if v is None else frozenset(v) for v in u] for u in sets]
        for kind in ("masi", "jaccard"):
            expected = by_definition(as_sets, kind)
            assert krippendorff(as_sets, kind).value == pytest.approx(expected, nan_ok=True)


def by_definition(given: Sequence[Sequence[Any]], metric: str) -> float:
    """Every pair of values is gone through, as the definition has it."""
    rated = [[v for v in unit if v is not None] for unit in given]
    rated = [unit for unit in rated if len(unit) > 1]
    every = [v for unit in rated for v in unit]

    def rank(value: Any) -> float:
        return sum(v < value for v in every) + every.count(value) / 2

    def similar(a: frozenset[str], b: frozenset[str]) -> float:
        return len(a & b) / len(a | b) if a | b else 1.0

    apart = {
        "nominal": lambda a, b: float(a != b),
        "ordinal": lambda a, b: (rank(a) - rank(b)) ** 2,
        "interval": lambda a, b: float(a - b) ** 2,
        "masi": lambda a, b: 1 - similar(a, b) * (a == b or (2 if a < b or b < a else 1) / 3),
        "jaccard": lambda a, b: 1 - similar(a, b),
    }[metric]
    within = sum(
        apart(a, b) / (len(unit) - 1) for unit in rated for a, b in itertools.permutations(unit, 2)
    )
    total = sum(apart(a, b) for a, b in itertools.permutations(every, 2))
    return 1 - (len(every) - 1) * within / total if total else math.nan


def test_quadratic_kappa_is_an_intraclass_correlation() -> None:
    # Fleiss and Cohen (1973): with equal margins, quadratic kappa is Pearson's correlation
    draw = np.random.default_rng(4)
    first = draw.integers(1, 6, size=100)
    second = np.concatenate([first[:60], draw.permutation(first[60:])])
    correlation = np.corrcoef(first, second)[0, 1]
    assert cohen(list(zip(first, second, strict=True)), "quadratic").value == (
        pytest.approx(correlation)
    )


def test_unused_levels_do_not_change_the_distance_of_the_others() -> None:
    pairs = [(1, 2), (2, 2), (5, 2), (5, 5), (1, 1)]
    with_unused = cohen(pairs, "linear", values=[1, 2, 3, 4, 5]).value
    assert cohen(pairs, "linear").value == pytest.approx(with_unused)


@pytest.mark.parametrize("of", [krippendorff, fleiss, cohen])
def test_one_value_alone_is_no_agreement_beyond_chance(of: Any) -> None:
    assert math.isnan(of([("yes", "yes")] * 5).value)
    assert raw([("yes", "yes")] * 5).value == 1


@pytest.mark.parametrize("given", [[], [("yes", None)], [(None, None)] * 3])
def test_nothing_rated_twice_is_nan(given: Any) -> None:
    for metric in ("nominal", "ordinal", "interval", "masi", "jaccard"):
        assert math.isnan(krippendorff([[None, None] for _ in given], metric).value)
    assert math.isnan(krippendorff(given).value)
    assert math.isnan(cohen(given).value)
    assert math.isnan(raw(given).value)


def test_large_values_lose_no_digits() -> None:
    far = [[None if v is None else v + 1e9 for v in unit] for unit in units(FOUR)]
    near = krippendorff(units(FOUR), "interval").value
    assert krippendorff(far, "interval").value == pytest.approx(near, abs=1e-9)
    assert math.isnan(krippendorff([(1e9 + 0.1, 1e9 + 0.1)] * 7, "interval").value)


def test_missing_ratings_are_left_out_of_a_table_and_named_where_they_may_not_be() -> None:
    two = [("b", "a"), ("b", "b"), ("a", "a")]
    assert cohen([*two, ("b", None), (None, "c")]).value == cohen(two).value
    with pytest.raises(ValueError, match="two ratings, not 3"):
        cohen([(1, 2), (1, 2, 3)])
    with pytest.raises(ValueError, match="1 to 2"):
        fleiss([(1, 1), (1, None)])
    with pytest.raises(ValueError, match="'Drugs'"):
        krippendorff([("Drugs", "Violence")], "masi")
    with pytest.raises(ValueError, match="square"):
        cohen([(0, 1)], [[0, 1]], [0, 1])
