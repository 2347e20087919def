"""Results folders for tests, made of real Examples and Labels from given values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trueline.evaluate import results
from trueline.evaluate.benchmarks.items import TAG
from trueline.evaluate.results import BenchmarkRun, Metric, Results
from trueline.evaluate.scores import gather, summarise
from trueline.files.hashing import digest, text_digest
from trueline.policy.load import load
from trueline.policy.values import Mean, NumberRule, Share
from trueline.records.store import dataset
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Reject,
    Response,
    with_labels,
    with_responses,
)

POLICY = load()
GRADER = LabellerId("grader", "grader", "3d" * 16)
JUDGE = LabellerId("judge", "a-judge", "1f" * 16)
FAILED = "the judge timed out: after 30 s"
LOST = "the call failed"
"""In place of a value: the instrument has none, or the model was never heard."""


class Bench(Struct, frozen=True, kw_only=True):
    """A benchmark with what each instrument said: `values[n]` is about item n, a list where there
    are repeats; None means no label, FAILED an unscored one, LOST an item that was rejected."""

    values: dict[LabellerId, Sequence[Any]]
    name: str = "sums"
    group: str = "capability"
    question: str = "correct"
    counts: tuple[Any, ...] = (True,)
    better: results.Better = "higher"
    clusters: Sequence[str] | None = None
    low: float = 0.0
    high: float = 1.0
    order: Sequence[int] | None = None
    ran: dict[str, Any] = {}


def bench(*values: Any, **given: Any) -> Bench:
    """A benchmark with one instrument."""
    return Bench(values={GRADER: values}, **given)


def metric(one: Bench, by: LabellerId = GRADER) -> Metric:
    rule: NumberRule = Mean(one.question, by)
    if one.counts:
        rule = Share(one.question, one.counts, by)
    return Metric(one.name, by.kind, rule, one.better, one.low, one.high)


def item(one: Bench, number: int) -> Example:
    tags = [f"{TAG}:{one.name}"]
    if one.clusters is not None:
        tags.append(f"cluster:{one.clusters[number]}")
    return Example.new([Message("user", f"Item {number} of {one.name}?")], tags=tags)


def record(one: Bench, number: int) -> Example | Reject:
    """One item with its answers and the labels on them."""
    given = [_list(values[number]) for values in one.values.values()]
    asked = item(one, number)
    if given[0] == [LOST]:
        return Reject("ask", f"{LOST}: {500 + number}", asked)
    answers = (Response((Message("assistant", f"Answer {n}."),)) for n in range(len(given[0])))
    example = with_responses(asked, *answers)
    labels: list[Label] = []
    for by, values in zip(one.values, given, strict=True):
        for at, value in enumerate(values):
            said = {"unscored": value} if value == FAILED else {"value": value}
            if value is not None:
                labels.append(Label.new(example, POLICY[one.question], (at,), by, **said))
    return with_labels(example, *labels)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def folder_of(path: Path, *benches: Bench, **changes: Any) -> Path:
    """A results folder; `changes` replace fields of its Results."""
    writer = dataset.Writer(path)
    for one in benches:
        count = len(next(iter(one.values.values())))
        for number in one.order or range(count):
            made = record(one, number)
            if isinstance(made, Reject):
                writer.reject(made)
            else:
                writer.add(made)
    writer.close(complete=True)
    metrics = [metric(one, by) for one in benches for by in one.values]
    scores = gather(path, metrics, POLICY)
    found = Results(
        trueline=results.VERSION, model=path.name, identity=text_digest(path.name),
        argv=("trueline", "evaluate"), config={"temperature": 0.0}, versions={},
        benchmarks=[_ran(one) for one in benches],
        metrics=[summarise(m, scores[m.benchmark, m.key]) for m in metrics], left_out={}, spend=[],
        complete=True, started="2026-11-20T08:00:00Z", finished="2026-11-20T08:01:00Z",
    )  # fmt: skip
    results.write(msgspec.structs.replace(found, **changes), path)
    return path


def _ran(one: Bench) -> BenchmarkRun:
    count = len(next(iter(one.values.values())))
    made = BenchmarkRun(
        name=one.name, about="A test.", group=one.group, license="MIT", citation="none",
        source="made", data_hash="d" * 64, pinned=True, items=count,
        items_hash=digest(sorted(item(one, n).id for n in range(count))), asking_hash="a" * 32,
        kind="generate", primary=metric(one, next(iter(one.values))).key,
    )  # fmt: skip
    return msgspec.structs.replace(made, **one.ran)


def sums(name: str, item: str, *scores: str, ask: str = "", group: str = "capability") -> str:
    """A benchmark file over the rows of `sums.jsonl`, each of which has ask, sum and kind."""
    asked = f"[ask]\n{ask}\n\n" if ask else ""
    return f"""
name = "{name}"
about = "Two equal numbers are to be added."
group = "{group}"
license = "Apache-2.0"
citation = "made up for this test"

[file]
path = "sums.jsonl"

[item]
{item}

{asked}""" + "\n".join(f"[[metric]]\n{score}" for score in scores)


SUMS = sums(
    "sums",
    'prompt = "ask"\nanswers = "[sum]"\ncluster = "kind"',
    'question = "correct"\nby = "number"',
    ask="max_tokens = 8",
)
