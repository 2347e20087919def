"""compare against the truth: exact p-values, known effects, no effects, clusters; and what it
refuses to compare."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from math import comb, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.evaluate.made import (
    FAILED,
    GRADER,
    JUDGE,
    LOST,
    SUMS,
    Bench,
    bench,
    folder_of,
    metric,
)

from trueline.evaluate import results
from trueline.evaluate.compare.compare import compare
from trueline.evaluate.compare.headline import describe_disagreements, is_complete
from trueline.evaluate.compare.paired import compare_metric
from trueline.evaluate.options import Options
from trueline.evaluate.results import Comparison, Difference
from trueline.evaluate.run import evaluate
from trueline.evaluate.scores import ItemScore, MetricScores
from trueline.files.errors import InputError
from trueline.files.hashing import text_digest
from trueline.policy.values import Share
from trueline.statistics.intervals import student_quantile
from trueline.statistics.multiple import benjamini_hochberg

T, F = True, False
METRIC = metric(bench())


def two(tmp_path: Path, base: Sequence[Bench], treated: Sequence[Bench], **changes: Any) -> Any:
    folder_of(tmp_path / "base", *base)
    return compare(tmp_path / "base", folder_of(tmp_path / "treated", *treated, **changes))


def one(found: Comparison) -> Difference:
    [difference] = found.differences
    return difference


# ---- the numbers -----------------------------------------------------------------------------


def test_gain_and_p_are_those_of_an_exact_sign_test(tmp_path: Path) -> None:
    """10 items got better and 2 worse: McNemar's exact test, from the binomial distribution."""
    found = one(two(tmp_path, [bench(*[F] * 10, *[T] * 8)], [bench(*[T] * 16, F, F)]))
    assert (found.base.estimate, found.treated.estimate) == (8 / 18, 16 / 18)
    assert found.gain.estimate == pytest.approx(8 / 18)
    assert found.gain.low < 8 / 18 < found.gain.high
    assert found.p == pytest.approx(2 * sum(comb(12, k) for k in range(3)) / 2**12)
    assert (found.items, found.paired, found.primary, found.withheld) == (18, 18, True, None)


def test_less_of_what_is_better_lower_is_a_gain(tmp_path: Path) -> None:
    base, treated = bench(*[T] * 12, better="lower"), bench(*[T] * 3, *[F] * 9, better="lower")
    found = two(tmp_path, [base], [treated])
    assert one(found).gain.estimate == pytest.approx(0.75) and found.better == 1
    assert one(found).base.estimate == 1.0, "means are shown as they are"
    assert found.headline == "better on 1 of 1, significant on 1 (worse on 0, significant on 0)"


def test_items_are_paired_by_id_in_whatever_order(tmp_path: Path) -> None:
    values, after = [T, F, F, T, F, F, F, T], [T, T, F, T, T, T, F, F]
    straight = one(two(tmp_path / "a", [bench(*values)], [bench(*after)]))
    turned = bench(*after, order=[7, 2, 5, 0, 1, 6, 3, 4])
    found = one(two(tmp_path / "b", [bench(*values)], [turned]))
    assert found == straight and found.p == 0.625


def test_clusters_are_flipped_and_drawn_as_wholes(tmp_path: Path) -> None:
    """Five clusters of 20, each changed alike: five signs, not a hundred."""
    names = [f"c{n // 20}" for n in range(100)]
    base, treated = bench(*[F] * 100, clusters=names), bench(*[T] * 80, *[F] * 20, clusters=names)
    found = one(two(tmp_path, [base], [treated]))
    assert found.p == 2 / 2**4 and found.gain.units == 5
    alone = one(two(tmp_path / "alone", [bench(*[F] * 100)], [bench(*[T] * 80, *[F] * 20)]))
    assert alone.p < 0.001


def test_q_is_adjusted_over_all_metrics_that_are_not_withheld(tmp_path: Path) -> None:
    """Two instruments, a second benchmark, and one that is withheld whatever it shows."""
    both = [
        [
            Bench(values={GRADER: [F] * 9, JUDGE: [F] * 9}, name="twice"),
            bench(*[F] * 9, name="once"),
            bench(*[F] * 30, name="thin"),
        ],
        [
            Bench(values={GRADER: [T] * 9, JUDGE: [T] * 6 + [F] * 3}, name="twice"),
            bench(*[T] * 4, *[F] * 5, name="once"),
            bench(*[T] * 20, *[FAILED] * 10, name="thin"),
        ],
    ]
    found = two(tmp_path, *both)
    *tested, thin = found.differences
    assert [d.p for d in tested] == [2 / 2**9, 2 / 2**6, 2 / 2**4]
    assert [d.q for d in tested] == benjamini_hochberg([d.p for d in tested]).tolist()
    assert thin.p < 0.001 and thin.q is None and thin.withheld is not None
    assert [d.primary for d in found.differences] == [T, F, T, T]
    assert (found.counted, found.better, found.improved) == (2, 2, 1)
    assert found.headline.endswith("; 1 withheld") and not is_complete(found)


def test_nothing_differs(tmp_path: Path) -> None:
    found = two(tmp_path, [bench(T, F, T, F)], [bench(T, F, T, F)])
    same = one(found)
    assert (same.gain.estimate, same.p, same.gain.note) == (0, 1, "the same on every item")
    assert same.gain.low == -same.gain.high < 0, "that nothing changed is known only so far"
    assert found.headline == "better on 0 of 1, significant on 0 (worse on 0, significant on 0)"


# ---- coverage --------------------------------------------------------------------------------


def test_too_little_coverage_withholds_and_bounds(tmp_path: Path) -> None:
    base, treated = [F] * 40, [*[T] * 30, *[FAILED] * 6, *[LOST] * 4]
    found = two(tmp_path, [bench(*base)], [bench(*treated)])
    thin = one(found)
    assert thin.withheld is not None and thin.withheld.startswith(
        "30 of 40 answers of the treated model have a score (mostly: the judge timed out: "
        "after … s); "
        "a headline takes 98%"
    )
    assert thin.coverage == (1.0, 0.75) and thin.paired == 30
    assert (thin.least, thin.most) == (0.75, 1.0)
    assert found.headline == "no headline: 1 withheld" and found.counted == 0


def test_bounds_turn_with_the_metric(tmp_path: Path) -> None:
    base, treated = [T, T, FAILED, F], [F, F, F, FAILED]
    found = one(two(tmp_path, [bench(*base, better="lower")], [bench(*treated, better="lower")]))
    # base between 2/4 and 3/4, treated between 0 and 1/4
    assert (found.least, found.most) == (0.25, 0.75)


def test_a_little_that_is_missing_is_told_beside_the_number(tmp_path: Path) -> None:
    found = two(tmp_path, [bench(*[F] * 100)], [bench(*[T] * 99, FAILED)])
    near = one(found)
    assert near.withheld is None and near.paired == 99 and near.coverage == (1.0, 0.99)
    assert near.least == pytest.approx(0.99) and near.most == 1.0


def test_pairs_are_what_must_be_covered(tmp_path: Path) -> None:
    """Each side lacks a little, and not the same: 98 of 100 each, and 96 pairs."""
    base, treated = [FAILED, FAILED, *[F] * 98], [*[T] * 98, FAILED, FAILED]
    found = one(two(tmp_path, [bench(*base)], [bench(*treated)]))
    assert found.coverage == (0.98, 0.98) and found.paired == 96
    assert found.withheld == "96 of 100 items have a score on both sides; a headline takes 98%"


def test_incomplete_results_make_no_headline(tmp_path: Path) -> None:
    found = two(tmp_path, [bench(*[F] * 9)], [bench(*[T] * 9)], complete=False)
    assert found.headline.startswith("no headline: the treated results are not complete")
    assert one(found).p < 0.05 and not is_complete(found)


def test_items_that_were_not_reached_are_unscored(tmp_path: Path) -> None:
    whole, part = bench(*[F] * 10), bench(*[T] * 10, order=range(4))
    found = one(two(tmp_path, [whole], [part], complete=False))
    assert (found.items, found.paired, found.coverage) == (10, 4, (1.0, 0.4))
    assert (found.least, found.most) == (0.4, 1.0)


# ---- what is not compared --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("treated", "reason"),
    [
        (bench(T, T, ran={"data_hash": "e" * 64}), "its data are not the same .*on the same files"),
        (bench(T, T, ran={"asking_hash": "b" * 32}), "asked in another way: .*the same options"),
        (bench(T, T, T), r"not the same \(2 and 3, 2 of them in common\): .*--limit"),
        (bench(T, T, name="other"), "the treated results lack it: evaluate the treated"),
    ],
)
def test_what_is_unlike_is_not_compared(tmp_path: Path, treated: Bench, reason: str) -> None:
    found = two(tmp_path, [bench(F, F)], [treated])
    assert not found.differences and not is_complete(found)
    assert found.counted == 0
    assert re.search(reason, found.not_compared["sums"]), found.not_compared
    assert found.headline.startswith("no headline: ")
    assert found.headline.endswith(" not compared")


def test_an_empty_intersection_is_named(tmp_path: Path) -> None:
    others = bench(*[T] * 5, order=[2, 3, 4], ran={"items": 3})
    found = two(tmp_path, [bench(F, F)], [others])
    assert (
        "its items are not the same (2 and 3, none of them in common)" in found.not_compared["sums"]
    )


def test_a_folder_whose_items_are_not_those_of_its_results(tmp_path: Path) -> None:
    """results.json says that the items are the same, and the data set holds none of them."""
    base = bench(F, F)
    same = folder_of(tmp_path / "same", base)
    chosen = results.read(same).benchmarks[0].items_hash
    others = bench(*[T] * 4, order=[2, 3], ran={"items": 2, "items_hash": chosen})
    found = two(tmp_path, [base], [others])
    assert "none of them in common" in found.not_compared["sums"]


def test_settings_that_differ_are_named(tmp_path: Path) -> None:
    warm = bench(T, ran={"asking_hash": "b" * 32})
    found = two(tmp_path, [bench(F)], [warm], config={"temperature": 0.7})
    assert "(temperature 0.0 and 0.7)" in found.not_compared["sums"]


def test_another_version_of_an_instrument_is_another_instrument(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(GRADER, instrument="4e" * 16)
    base = Bench(values={GRADER: [F] * 8, JUDGE: [F] * 8})
    treated = Bench(values={newer: [T] * 8, JUDGE: [T] * 8})
    found = two(tmp_path, [base], [treated])
    assert [d.metric.name for d in found.differences] == ["a-judge"]
    why = found.not_compared["sums: correct by grader"]
    assert "(3d3d3d3d3d3d… and 4e4e4e4e4e4e…)" in why and "--rescore" in why
    assert found.headline == "no headline: 1 not compared", "the judge does not stand for it"


def test_a_judge_that_only_one_side_had(tmp_path: Path) -> None:
    left = {"sums: correct": "it takes a judge: name one with --judge"}
    base = Bench(values={GRADER: [F] * 8, JUDGE: [F] * 8})
    found = two(tmp_path, [base], [bench(*[T] * 8)], left_out=left)
    why = found.not_compared["sums: correct by a-judge"]
    assert "the treated results lack it, which left it out (it takes a judge" in why
    assert found.improved == 1


def test_a_benchmark_that_another_metric_stands_for_counts_for_nothing(tmp_path: Path) -> None:
    base = Bench(values={GRADER: [F] * 8, JUDGE: [F] * 8})
    turned = Bench(values={JUDGE: [T] * 8, GRADER: [T] * 8})
    found = two(tmp_path, [base], [turned])
    assert (
        found.counted == 0 and "stands for it in the base" in found.not_compared["sums: headline"]
    )


def test_what_counts_must_be_the_same(tmp_path: Path) -> None:
    base = bench(1, 2, question="helpfulness", counts=(4, 5), high=5.0)
    found = two(tmp_path, [base], [msgspec.structs.replace(base, counts=(5,))])
    assert "what counts" in found.not_compared["sums: helpfulness by grader"]


# ---- two instruments, one model --------------------------------------------------------------


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        ([T] * 6 + [F] * 4, None),
        ([F] * 10, "correct by a-judge: no change"),
        ([T, T, *[F] * 8], "correct by a-judge: no significant gain (+20.0 points)"),
    ],
)
def test_instruments_that_see_it_differently_are_named(
    tmp_path: Path, judge: list[bool], told: str | None
) -> None:
    base = Bench(values={GRADER: [F] * 10, JUDGE: [F] * 10}, name="harm")
    treated = Bench(values={GRADER: [T] * 10, JUDGE: judge}, name="harm")
    found = two(tmp_path, [base], [treated])
    assert len(found.differences) == 2
    if told is None:
        assert found.disagreements == {}
    else:
        first = "correct by grader: a significant gain (+100.0 points)"
        assert found.disagreements == {"harm": f"{first}; {told}"}


def test_opposite_signs_are_a_disagreement_and_one_instrument_has_none(tmp_path: Path) -> None:
    base = Bench(values={GRADER: [F, F, T], JUDGE: [T, T, F]})
    treated = Bench(values={GRADER: [T, F, T], JUDGE: [F, T, F]})
    first, second = two(tmp_path / "a", [base], [treated]).differences
    assert "sums" in describe_disagreements([first, second], 0.05)
    other = msgspec.structs.replace(second.metric, rule=Share("refusal", (True,), JUDGE))
    assert (
        describe_disagreements([first, msgspec.structs.replace(second, metric=other)], 0.05) == {}
    )
    alone = bench(F, F, T), bench(T, F, T)
    assert two(tmp_path / "b", [alone[0]], [alone[1]]).disagreements == {}


def test_one_model_on_both_sides_is_told(tmp_path: Path) -> None:
    folder_of(tmp_path / "a", bench(*[T, F] * 8))
    other = folder_of(tmp_path / "b", bench(*[F, T] * 8), identity=text_digest("a"))
    found = compare(tmp_path / "a", other)
    assert found.headline.startswith("the same model on both sides")
    assert found.improved == found.impaired == 0


def test_one_folder_twice_claims_nothing(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "a", bench(*[T, F] * 8), bench(*[T] * 3, name="more"))
    found = compare(path, path / ".." / "a")
    assert found.headline == "the same results on both sides: there is nothing to claim"
    assert (found.better, found.worse, found.disagreements) == (0, 0, {}) and is_complete(found)


def test_repeats_have_a_spread_beside_the_gain(tmp_path: Path) -> None:
    found = one(two(tmp_path, [bench([F, T], [F, F])], [bench([T, T], [T, F])]))
    assert found.gain.estimate == 0.5
    assert found.spread == (pytest.approx(sqrt(0.125)), pytest.approx(sqrt(0.125)))


# ---- hostile ---------------------------------------------------------------------------------


def test_repeats_that_are_unscored_withhold_the_gain(tmp_path: Path) -> None:
    """Every item has a score, and a third of the treated model's answers has none."""
    base, treated = bench(*[[F, F, F]] * 12), bench(*[[T, T, FAILED]] * 12)
    found = one(two(tmp_path, [base], [treated]))
    assert found.paired == 12 and found.coverage == (1.0, pytest.approx(2 / 3))
    assert found.withheld is not None
    assert "24 of 36 answers of the treated model" in found.withheld
    assert (found.least, found.most) == (pytest.approx(2 / 3), 1.0)


def test_folders_that_hold_no_results_are_wrong_input(tmp_path: Path) -> None:
    good = folder_of(tmp_path / "good", bench(T, F))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty holds no results: it has no results\.json"):
        compare(good, tmp_path / "empty")
    file = good / results.RESULTS
    whole = file.read_text()
    for broken in (whole[:200], "[]", "null", "{}", "[" * 100_000, '{"trueline": "x"}', "\udcff"):
        file.write_text(broken, errors="surrogateescape")
        with pytest.raises(InputError, match=r"results\.json cannot be read"):
            compare(good, good)
    file.write_text(
        whole.replace('"trueline": 1', '"trueline": 99').replace('"measured"', '"made"')
    )
    with pytest.raises(InputError, match="newer trueline"):
        compare(good, good)


def test_a_damaged_shard_is_wrong_input(tmp_path: Path) -> None:
    good, bad = (folder_of(tmp_path / n, bench(T, F)) for n in ("good", "bad"))
    shard = next(bad.glob("data-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(InputError, match="changed or damaged"):
        compare(good, bad)


def test_a_level_that_is_none(tmp_path: Path) -> None:
    good = folder_of(tmp_path / "good", bench(T, F))
    for level in (0.0, 1.0, 5.0, float("nan")):
        with pytest.raises(InputError, match="level of significance"):
            compare(good, good, level)


def test_results_without_benchmarks(tmp_path: Path) -> None:
    found = two(tmp_path, [], [])
    assert found.headline == "no headline: there is nothing to compare" and not is_complete(found)


@pytest.mark.parametrize("policy", ["/dev/zero", "a\0b", "nowhere.toml", 7])
def test_a_policy_that_is_gone_implies_nothing(tmp_path: Path, policy: Any) -> None:
    """Severity is 0 where a response is safe, if the policy says so; else it is unscored."""
    severity = bench(*[None] * 4, *[2] * 4, question="severity", counts=(), high=3.0)
    safe = bench(*[T] * 4, *[F] * 4, question="safe", name="other")
    folder_of(tmp_path / "base", severity, safe)
    found = compare(
        tmp_path / "base", folder_of(tmp_path / "a", severity, safe, config={"policy": policy})
    )
    assert found.differences[0].coverage == (0.5, 0.5)


# ---- as the runner writes them ---------------------------------------------------------------


def test_evaluations_are_compared_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other seeds are the same way of asking, another temperature is not, and a call that failed
    is no wrong answer."""
    monkeypatch.chdir(tmp_path)
    rows = [{"ask": f"What is {n} and {n}?", "sum": 2 * n, "kind": n // 2} for n in range(60)]
    Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("sums.toml").write_text(SUMS)

    def run(out: str, right: int, seed: int, temperature: float = 1.0) -> None:
        rules: list[dict[str, Any]] = [
            {"match": f"is {n} and", "answers": [f"{2 * n}"]} for n in range(right)
        ]
        rules.append({"match": "is 59 and", "fail": "the server is down"})
        Path(f"{out}.json").write_text(json.dumps([*rules, {"regex": ".", "answers": ["1000"]}]))
        evaluate(
            Options(
                model=f"scripted:{out}.json", benchmark=("sums.toml",), data=Path(), out=Path(out),
                seed=seed, temperature=temperature, repeats=2, quiet=True,
            )
        )  # fmt: skip

    run("base", 20, seed=0)
    run("treated", 44, seed=1)
    run("cold", 44, seed=0, temperature=0.5)
    found = compare(Path("base"), Path("treated"))
    assert found.not_compared == {}
    gain = one(found)
    assert (gain.items, gain.paired, gain.gain.units) == (60, 59, 30)
    assert gain.gain.estimate == pytest.approx(24 / 59) and gain.p < 0.001
    assert found.base.metrics[0].interval == gain.base, "as the evaluation said"
    assert found.improved == 1 and is_complete(found)
    assert "temperature 1.0 and 0.5" in compare(Path("base"), Path("cold")).not_compared["sums"]


# ---- against the truth -----------------------------------------------------------------------


def scores(values: Sequence[float], names: Sequence[object] | None = None) -> MetricScores:
    found = MetricScores()
    for n, value in enumerate(values):
        found.add(
            f"{n:032x}", ItemScore(value, str(n if names is None else names[n]), "", (value,))
        )
    return found


def trials(draw: Callable[[], tuple[Any, Any]], count: int, names: Any = None) -> list[Difference]:
    """So many differences of simulated scores (items,)."""
    sides = (draw() for _ in range(count))
    return [
        compare_metric(METRIC, (scores(base, names), scores(treated, names)), len(base))
        for base, treated in sides
    ]


def error(share: float, count: int) -> float:
    """Three Monte-Carlo standard errors of a share."""
    return 3 * sqrt(share * (1 - share) / count)


def test_power_is_what_normal_theory_says() -> None:
    """100 items, each answered four times by either model, the treated one right more often by .1:
    the variance of an item's difference is that of two binomial shares."""
    rng, count, items, gain = np.random.default_rng(3), 150, 100, 0.1
    chances = np.array([0.3, 0.5, 0.7])

    def draw() -> tuple[Any, Any]:
        chance = rng.choice(chances, size=items)
        return rng.binomial(4, chance) / 4, rng.binomial(4, chance + gain) / 4

    found = trials(draw, count)
    after = chances + gain
    variance = float(np.mean(chances * (1 - chances) + after * (1 - after))) / 4
    theory = NormalDist().cdf(gain / sqrt(variance / items) - student_quantile(0.95, items - 1))
    assert theory == pytest.approx(0.85, abs=0.01)
    assert abs(np.mean([d.p <= 0.05 for d in found]) - theory) < error(theory, count)
    covered = np.mean([d.gain.low <= gain <= d.gain.high for d in found])
    assert abs(covered - 0.95) < error(0.95, count)


def test_power_of_right_and_wrong_is_the_exact_tests() -> None:
    """200 items, 18 % of which get better and 8 % worse.  McNemar's exact test has a power of .769
    (its few p-values cost it some of the normal theory's .804), from the binomial distribution."""
    rng, count, items = np.random.default_rng(3), 200, 200

    def draw() -> tuple[Any, Any]:
        kind = rng.choice(4, size=items, p=[0.18, 0.08, 0.5, 0.24])
        return np.isin(kind, [1, 2]) * 1.0, np.isin(kind, [0, 2]) * 1.0

    found = trials(draw, count)
    assert abs(np.mean([d.p <= 0.05 for d in found]) - 0.769) < error(0.769, count)
    assert np.mean([d.gain.estimate for d in found]) == pytest.approx(0.10, abs=0.0075)


def test_two_runs_of_one_model_claim_nothing_beyond_the_level() -> None:
    """Suites of eight metrics with no effect: at most 5 % of them may claim anything."""
    rng, suites, metrics = np.random.default_rng(4), 40, 8
    claimed = 0
    for _ in range(suites):
        right = rng.beta(0.8, 0.8, size=120)

        def draw(right: Any = right) -> tuple[Any, Any]:
            return tuple((rng.random(120) < right) * 1.0 for _ in range(2))  # type: ignore[return-value]

        q = benjamini_hochberg([d.p for d in trials(draw, metrics)])
        claimed += bool((q <= 0.05).any())
    assert claimed / suites <= 0.05 + error(0.05, suites)


def test_to_ignore_clusters_is_to_claim_too_much() -> None:
    """30 clusters of 8 items that change together, for better or worse alike."""
    rng, count = np.random.default_rng(5), 100
    names = np.repeat(np.arange(30), 8)

    def draw() -> tuple[Any, Any]:
        chance = 0.5 + 0.4 * rng.choice([-1, 1], size=(2, 30))[:, names]
        return tuple((rng.random((2, len(names))) < chance) * 1.0)  # type: ignore[return-value]

    held = np.mean([d.p <= 0.05 for d in trials(draw, count, names)])
    ignored = np.mean([d.p <= 0.05 for d in trials(draw, count)])
    assert held <= 0.05 + error(0.05, count)
    assert ignored > 0.2


def test_a_suite_in_folders_finds_its_effects_and_no_others(tmp_path: Path) -> None:
    """Twelve benchmarks of 150 items, three of which got better by .25 and two worse by .25."""
    rng = np.random.default_rng(6)
    shifts = [0.25] * 3 + [-0.25] * 2 + [0.0] * 7
    sides: list[list[Bench]] = [[], []]
    for number, shift in enumerate(shifts):
        hard = rng.uniform(0.3, 0.7, size=150)
        for side, chance in zip(sides, (hard, hard + shift), strict=True):
            side.append(bench(*(rng.random(150) < chance).tolist(), name=f"b{number}"))
    found = two(tmp_path, *sides)
    sure = {d.metric.benchmark: np.sign(d.gain.estimate) for d in found.differences if d.q <= 0.05}
    assert sure == {"b0": 1, "b1": 1, "b2": 1, "b3": -1, "b4": -1}
    assert (found.counted, found.improved, found.impaired) == (12, 3, 2)
    assert found.better + found.worse <= 12
    assert is_complete(found)
