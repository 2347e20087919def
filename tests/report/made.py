"""Comparisons made for the tests: items and labels in real folders, numbers by real statistics."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
from tests.agreement.rated import C

from trueline.evaluate import results
from trueline.evaluate.benchmarks.items import TAG
from trueline.evaluate.compare.group_means import group_means
from trueline.evaluate.compare.headline import describe_disagreements
from trueline.evaluate.results import (
    BenchmarkRun,
    Comparison,
    Difference,
    Metric,
    MetricResult,
    Results,
)
from trueline.files.hashing import digest, text_digest
from trueline.ledger.summary import Spend
from trueline.policy.load import load
from trueline.policy.values import Mean, Share
from trueline.records.store import dataset
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Response,
    with_labels,
    with_responses,
)
from trueline.runs.record import RunRecord, write_record
from trueline.statistics.coverage import FLOOR, extremes
from trueline.statistics.multiple import benjamini_hochberg
from trueline.statistics.permutation import sign_flip
from trueline.statistics.resample import bootstrap
from trueline.statistics.sums import difference, mean
from trueline.train import card
from trueline.train.memory import Memory

POLICY = load()
REFUSAL = LabellerId("classifier", "refusal", "4f" * 16)
JUDGE = LabellerId("judge", "an-endpoint-judge", C.instrument)
GUARD = LabellerId("classifier", "a-guard", "2e" * 16)
GRADER = LabellerId("grader", "number", "3d" * 16)


class Kind(NamedTuple):
    """A benchmark: what counts, who says so (the first is primary), how often in base and A."""

    name: str
    group: str
    question: str
    value: tuple[Any, ...]
    better: results.Better
    by: tuple[LabellerId, ...]
    base: float
    treated: float
    license: str = "CC-BY-4.0"


SAFETY = (JUDGE, GUARD)
SUITE = [
    Kind("plain-requests", "harmfulness", "safe", (False,), "lower", SAFETY, 0.42, 0.05),
    Kind("everyday-harms", "harmfulness", "safe", (False,), "lower", SAFETY, 0.30, 0.06, "MIT"),
    Kind("reworded-requests", "harmfulness", "safe", (False,), "lower", SAFETY, 0.35, 0.3),
    Kind("harmless-lookalikes", "over-refusal", "refusal", ("refuse",), "lower", (REFUSAL,),
         0.06, 0.14),
    Kind("borderline-wording", "over-refusal", "refusal", ("refuse",), "lower", (REFUSAL,),
         0.1, 0.13, "Apache-2.0"),
    Kind("role-play", "jailbreak", "safe", (False,), "lower", SAFETY, 0.55, 0.2),
    Kind("many-turns", "jailbreak", "safe", (False,), "lower", SAFETY, 0.6, 0.35),
    Kind("system-against-user", "hierarchy", "hierarchy_held", (True,), "higher", (GRADER,),
         0.5, 0.86, "MIT"),
    Kind("hidden-instructions", "hierarchy", "hierarchy_held", (True,), "higher", (GRADER,),
         0.6, 0.62, "MIT"),
    Kind("common-myths", "honesty", "correct", (True,), "higher", (GRADER,), 0.45, 0.52),
    Kind("unanswerable", "missing-information", "correct", (True,), "higher", (GRADER,), 0.3, 0.4),
    Kind("pleases-the-user", "sycophancy", "correct", (True,), "higher", (GRADER,), 0.55, 0.6),
    Kind("switch-off", "corrigibility", "safe", (True,), "higher", SAFETY, 0.7, 0.8),
    Kind("tests-edited", "reward-hacking", "tests_passed", (True,), "higher", (GRADER,), 0.5, 0.5),
    Kind("two-readings", "fairness", "correct", (True,), "higher", (GRADER,), 0.6, 0.63),
    Kind("people-prefer", "preference", "helpfulness", (), "higher", (JUDGE,), 0.5, 0.6),
    Kind("first-aid", "health", "correct", (True,), "higher", (GRADER,), 0.5, 0.55),
    Kind("a-hard-day", "mental-health", "safe", (True,), "higher", SAFETY, 0.8, 0.9),
    Kind("short-facts", "factuality", "correct", (True,), "higher", (GRADER,), 0.4, 0.41),
    Kind("verifiable", "instructions", "constraints_met", (True,), "higher", (GRADER,), 0.5, 0.57),
    Kind("sums", "capability", "correct", (True,), "higher", (GRADER,), 0.62, 0.6, "MIT"),
    Kind("school-science", "capability", "correct", (True,), "higher", (GRADER,), 0.55, 0.56),
    Kind("short-programs", "capability", "tests_passed", (True,), "higher", (GRADER,), 0.4, 0.38),
]  # fmt: skip


def metric(kind: Kind, by: LabellerId) -> Metric:
    """The metric of a benchmark by one of its instruments."""
    question = POLICY[kind.question]
    ends = (float(min(question.levels)), float(max(question.levels))) if not kind.value else (0, 1)
    rule = Share(kind.question, kind.value, by) if kind.value else Mean(kind.question, by)
    return Metric(kind.name, by.kind, rule, kind.better, *ends)


def items(kind: Kind, count: int, say: str = "") -> list[Example]:
    """Items in words of our own."""
    made = []
    for n in range(count):
        text = f"Request {n} of {kind.name}: please help with errand number {n}. {say}"
        turns = [Message("user", text.strip())]
        made.append(Example.new(turns, tags=(f"{TAG}:{kind.name}", "lang:en")))
    return made


def answered(
    kind: Kind, item: Example, model: str, rate: float, draw: Random, fails: float, say: str
) -> Example:
    """The item with an answer and every instrument's label on it."""
    hit = Random(item.id).random() + draw.gauss(0, 0.12) < rate
    told = f"An answer by {model} that {'counts' if hit else 'does not count'}. {say}".strip()
    item = with_responses(item, Response((Message("assistant", told),), model=model, finish="stop"))
    question, labels = POLICY[kind.question], []
    for number, by in enumerate(kind.by):
        if draw.random() < (0.0 if number else fails):
            labels.append(Label.new(item, question, (0,), by, unscored="the judge timed out"))
            continue
        seen = hit if not number or draw.random() < 0.9 else not hit
        labels.append(Label.new(item, question, (0,), by, value=_value(kind, question, seen)))
    return with_labels(item, *labels)


def _value(kind: Kind, question: Any, hit: bool) -> Any:
    if not kind.value:
        return question.levels[-1] if hit else question.levels[0]
    if isinstance(kind.value[0], bool):
        return kind.value[0] if hit else not kind.value[0]
    return kind.value[0] if hit else next(o for o in question.options if o != kind.value[0])


Scores = dict[tuple[str, str], dict[str, float | None]]


def evaluated(
    out: Path,
    kinds: list[Kind],
    model: str,
    shift: float,
    *,
    count: int = 40,
    flaky: tuple[str, ...] = (),
    left_out: dict[str, str] | None = None,
    say: str = "",
    complete: bool = True,
) -> tuple[Results, Scores]:
    """A model's results in a folder, and the scores that they are of.  `shift` is how far it is
    from base (0) to A (1)."""
    draw, writer, scores = Random(out.name), dataset.Writer(out), Scores()
    measured, ran = [], []
    for kind in kinds:
        if kind.name in (left_out or {}):
            continue
        rate = kind.base + shift * (kind.treated - kind.base)
        fails = 0.15 if kind.name in flaky else 0.0
        examples = [
            answered(kind, item, model, rate, draw, fails, say) for item in items(kind, count, say)
        ]
        for example in examples:
            writer.add(example)
        for by in kind.by:
            one = metric(kind, by)
            given = {e.id: _score(e, one) for e in examples}
            scores[kind.name, one.key] = given
            measured.append(_measured(one, given))
        ran.append(
            BenchmarkRun(
                name=kind.name,
                about=f"What {kind.name} asks, in one line of plain words?",
                group=kind.group,
                license=kind.license,
                citation="Written for these tests",
                source=f"made/{kind.name}.jsonl",
                data_hash=text_digest(kind.name),
                pinned=kind.base < 0.5,
                items=count,
                items_hash=digest([e.id for e in examples]),
                asking_hash=digest(kind.question),
                kind="generate",
                primary=metric(kind, kind.by[0]).key,
            )
        )
    writer.close(complete=True)
    found = Results(
        trueline=results.VERSION,
        model=model,
        identity=digest([model, shift]),
        argv=("trueline", "evaluate", model, "--out", str(out)),
        config={"model": model, "benchmarks": "all", "limit": count, "judge": ["a-judge"],
                "out": str(out.name), "max_tokens": 2_000_000, "quiet": True},
        versions={"trueline": "0.1.0", "python": "3.12.4", "transformers": "5.23.0"},
        benchmarks=ran,
        metrics=measured,
        left_out=left_out or {},
        spend=[
            Spend("evaluate", model, count * len(ran), count * len(ran), 12, count * len(ran) + 7,
                  {"timeout": 7}, 181_204, 96_310, 0.0, 412.5),
            Spend("evaluate", "an-endpoint-judge", 1_310, 1_310, 0, 1_310, {}, 902_118, 61_007,
                  1.8423, 1_984.2),
        ],
        complete=complete,
        started="2026-11-20T08:02:11Z",
        finished="2026-11-20T08:31:40Z",
    )  # fmt: skip
    results.write(found, out)
    return found, scores


def _score(example: Example, one: Metric) -> float | None:
    (label,) = (lab for lab in example.labels if lab.by.name == one.name)
    if label.value is None:
        return None
    return float(label.value in one.accepted) if one.accepted else float(label.value)  # type: ignore[arg-type]


def _measured(one: Metric, given: dict[str, float | None]) -> MetricResult:
    values = [v for v in given.values() if v is not None]
    unscored = len(given) - len(values)
    least, most = extremes(values, unscored, one.low, one.high) or (None, None)
    interval = bootstrap(mean(values), resamples=400)
    why = {"the judge timed out": unscored} if unscored else {}
    return MetricResult(one, len(given), len(values), interval, least, most, why)


def compared(
    base: tuple[Results, Scores, Path], treated: tuple[Results, Scores, Path], kinds: list[Kind]
) -> Comparison:
    """The comparison of two results, by the same statistics as everywhere."""
    found, not_compared = [], {}
    for kind in kinds:
        for number, by in enumerate(kind.by):
            one = metric(kind, by)
            sides = [side[1].get((kind.name, one.key)) for side in (base, treated)]
            if None in sides:
                not_compared[kind.name] = "only one of the models was asked it"
                continue
            found.append(_difference(kind, one, sides[0] or {}, sides[1] or {}, number == 0))
    q = benjamini_hochberg([d.p for d in found]) if found else []
    found = [msgspec.structs.replace(d, q=float(v)) for d, v in zip(found, q, strict=True)]
    counted = [d for d in found if d.primary and d.withheld is None]
    sure = [d for d in counted if d.q <= 0.05]
    better, worse = (sum(s * d.gain.estimate > 0 for d in counted) for s in (1, -1))
    improved, impaired = (sum(s * d.gain.estimate > 0 for d in sure) for s in (1, -1))
    return Comparison(
        base=base[0], treated=treated[0], base_folder=str(base[2]), treated_folder=str(treated[2]),
        differences=found, not_compared=not_compared, counted=len(counted), better=better,
        worse=worse, improved=improved, impaired=impaired, 
        disagreements=describe_disagreements(found, 0.05), group_means=group_means(found, 0.05),
        headline=f"{better} of {len(counted)} measures are better ({improved} significantly), "
                 f"{worse} worse ({impaired} significantly)",
    )  # fmt: skip


def _difference(
    kind: Kind, one: Metric, base: dict[str, float | None], treated: dict[str, float | None],
    primary: bool,
) -> Difference:  # fmt: skip
    both = [(b, t) for of, b in base.items() if b is not None and (t := treated[of]) is not None]
    first, second = [b for b, _ in both], [t for _, t in both]
    sign = 1 if one.better == "higher" else -1
    turned = [sign * (t - b) for b, t in both]
    ends = [
        extremes([v for v in side.values() if v is not None],
                 sum(v is None for v in side.values()), one.low, one.high)
        for side in (base, treated)
    ]  # fmt: skip
    raw = sorted((sign * (ends[1][0] - ends[0][1]), sign * (ends[1][1] - ends[0][0])))
    covered = tuple(sum(v is not None for v in s.values()) / len(s) for s in (base, treated))
    low = min(covered)
    paired = difference(mean([sign * v for v in second]), mean([sign * v for v in first]))
    return Difference(
        metric=one, group=kind.group, items=len(base), paired=len(both),
        base=bootstrap(mean(first), resamples=400), treated=bootstrap(mean(second), resamples=400),
        gain=bootstrap(paired, resamples=400), p=sign_flip(turned, resamples=2000), q=1.0,
        least=raw[0], most=raw[1], coverage=(covered[0], covered[1]), primary=primary,
        withheld=f"coverage {low:.1%} is under {FLOOR:.0%}" if low < FLOOR else None,
    )  # fmt: skip


def trained(out: Path, base: Results, steps: int = 240) -> None:
    """A model's folder with the card of a training run."""
    draw = Random(out.name)
    out.mkdir(parents=True)
    log: list[dict[str, float | None]] = []
    for step in range(1, steps + 1):
        fell = 0.69 * 0.99**step
        log.append(
            {"loss": fell + 0.02 * draw.random(), "step": step, "epoch": step / steps,
             "rewards/margins": (0.69 - fell) * 3 + 0.1 * draw.random(),
             "rewards/accuracies": 1 - fell / 1.4, "grad_norm": 1 + draw.random(),
             "learning_rate": 1e-5 * (1 - step / steps)}
        )  # fmt: skip
    log.append({"train_runtime": 61.0, "step": steps, "train_loss": 0.3})
    card.write(
        card.Card(
            method="preference", identity="4c" * 16,
            options={"model": base.model, "lora_rank": 16, "save": "merged", "max_length": 512,
                     "beta": 0.1, "gradient_checkpointing": False, "chat_template": None},
            base=base.model, base_identity=base.identity,
            data=card.Data("pairs/harmful", True, "5b" * 16, 900, 880, 4, {"a tie": 20}, 90_000,
                           41_000, 480),
            template="{{ messages }}", dtype="float32", device="cpu", parameters=8_200_000,
            trained_parameters=310_000, learning_rate=1e-5, steps=steps, resumed_from=0, seed=0,
            versions=base.versions, memory=Memory(1, 1, 1, 1, 8, "cpu"), peak=2**30, preview=[],
            log=log, seconds=61.0, started="2026-11-19T20:00:00Z", finished="2026-11-19T20:01:01Z",
        ),
        out,
    )  # fmt: skip
    words = ("trueline", "train", "preference", "pairs/harmful", "--model", base.model)
    record = RunRecord(
        command="trueline train preference", argv=(*words, "--out", str(out)), identity="4c" * 16,
        settings={}, inputs=(), versions=base.versions, status="complete", note=None, rows=880,
        rejects=20, stages=[], spend=[], started="2026-11-19T20:00:00Z",
        finished="2026-11-19T20:01:01Z",
    )  # fmt: skip
    write_record(record, out)


def world(
    root: Path, *, treated: int = 3, kinds: list[Kind] | None = None, count: int = 40, say: str = ""
) -> list[Comparison]:
    """Up to three treated models against one base: the first with a card, some of it withheld,
    some missing."""
    kinds = SUITE if kinds is None else kinds
    where = root / "base"
    base = (*evaluated(where, kinds, "nano", 0.0, count=count, say=say), where)
    models = [(str(root / "models/aligned"), 1.0), ("hf:example/half-way@v2", 0.5),
              ("https://models.example/v1#far", 1.3)]  # fmt: skip
    trained(root / "models/aligned", base[0])
    found = []
    for number, (name, shift) in enumerate(models[:treated]):
        where = root / f"treated-{number}"
        last = number == 2
        one = evaluated(
            where, kinds, name, shift, count=count, say=say, complete=not last,
            flaky=("many-turns", "people-prefer") if number else ("a-hard-day",),
            left_out={"short-programs": "its data are not here"} if last else {},
        )  # fmt: skip
        found.append(compared(base, (*one, where), kinds))
    return found
