"""What contradicts the policy is not written, whoever says it, and is named row by row."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.builders import unsign

from trueline.policy.depend import resolve_answer
from trueline.policy.load import load
from trueline.policy.types import Policy
from trueline.recipes.conversion import Options
from trueline.recipes.convert import convert
from trueline.records.store import dataset, jsonl
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    Source,
    with_labels,
)
from trueline.runs.context import RunContext
from trueline.runs.spec import RunSpec
from trueline.runs.stage import Stage
from trueline.runs.write import CONTRADICTS, write_run

policy = load()


def example(number: int, safe: bool, severity: int, asked: Question | None = None) -> Example:
    """An answer of a file's row, with both labels by one judge."""
    made = Example.new(
        [Message("user", f"request {number}")],
        [Response((Message("assistant", "an answer"),))],
        source=Source("answers.jsonl", row=number),
    )
    by = LabellerId("judge", "j")
    return with_labels(
        made,
        Label.new(made, policy["safe"], (0,), by, value=safe),
        Label.new(made, asked or policy["severity"], (0,), by, value=severity),
    )


GOOD, BAD = [example(n, False, 2) for n in (1, 3)], [example(n, True, 2) for n in (2, 4)]
MIXED = [GOOD[0], BAD[0], GOOD[1], BAD[1]]


def rejected(found: list[object]) -> list[tuple[str, str | None, int | None]]:
    return [(r.step, r.file, r.row) for r in found]  # type: ignore[attr-defined]


EXPECTED = [("policy", "answers.jsonl", 2), ("policy", "answers.jsonl", 4)]


async def test_no_run_writes_what_a_stage_has_said_against_the_policy(tmp_path: Path) -> None:
    def label(bare: Example) -> Example:
        return next(e for e in MIXED if e.id == bare.id)

    bare = [Example.new(e.prompt, e.responses, source=e.source) for e in MIXED]
    record = await write_run(
        bare,
        [Stage.of("label", label)],
        tmp_path / "out",
        RunSpec("test", (), {}, {}),
        RunContext(policy),
    )
    assert (record.rows, record.rejects) == (2, 2)
    assert record.stages[-1].rejected == {CONTRADICTS: 2}
    assert unsign(dataset.read(tmp_path / "out")) == unsign(GOOD)
    writers = {label.writer for e in dataset.read(tmp_path / "out") for label in e.labels}
    assert writers == {record.identity}, "labels are signed by the run that wrote them"
    found = list(dataset.rejects(tmp_path / "out"))
    assert rejected(found) == EXPECTED
    assert [r.example for r in found] == BAD
    assert found[0].message == (
        f"{CONTRADICTS}: response 0, severity = 2 by judge j: it is asked only if safe is "
        "false, and safe is true"
    )


@pytest.mark.parametrize("name", ["out", "out.jsonl"])
def test_nor_does_a_conversion_to_a_folder_or_a_file(tmp_path: Path, name: str) -> None:
    with jsonl.appending(tmp_path / "in.jsonl") as add:
        for one in MIXED:
            add(one)
    out = tmp_path / name
    outcome = convert(Options(source=tmp_path / "in.jsonl", out=out, quiet=True), load())
    assert (outcome.examples, outcome.rejects) == (2, {CONTRADICTS: 2})
    beside = out.with_name(f"{name}.rejects.jsonl")
    found = dataset.rejects(out) if out.is_dir() else jsonl.rejects(beside)
    assert rejected(list(found)) == EXPECTED
    written = dataset.read(out) if out.is_dir() else jsonl.read(out)
    assert list(written) == GOOD


def test_a_table_may_repeat_what_follows(tmp_path: Path) -> None:
    """Severity 0 beside a safe answer says nothing new: it is neither stored nor turned away."""
    table = tmp_path / "rated.csv"
    table.write_text("q,a,s,v\nx,1,true,0\nx,2,false,2\nx,3,true,1\nx,4,false,0\n")
    parts = {"prompt": "q", "response": "a", "label:safe@ann": "s", "label:severity@ann": "v"}
    mapping = tuple(f"{part}={column}" for part, column in parts.items())
    for name in ("out", "out.jsonl"):
        options = Options(source=table, out=tmp_path / name, from_="columns", map=mapping)
        outcome = convert(options, load())
        assert (outcome.examples, outcome.rejects) == (2, {CONTRADICTS: 2})
    first, second = dataset.read(tmp_path / "out")
    assert [(x.question, x.value) for x in first.labels] == [("safe", True)]
    assert [(x.question, x.value) for x in second.labels] == [("safe", False), ("severity", 2)]
    assert resolve_answer(first, policy["severity"], (0,), LabellerId("imported", "ann")) == 0
    assert [r.row for r in dataset.rejects(tmp_path / "out")] == [3, 4]


def test_data_that_was_labelled_by_another_policy_names_it(tmp_path: Path) -> None:
    """A severity that is always asked, on another scale."""
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[[question]]\nid = "severity"\nabout = "response"\nkind = "scale"\n'
        'levels = [1, 2]\nask = "How severe?"\n',
        encoding="utf-8",
    )
    with jsonl.appending(tmp_path / "in.jsonl") as add:
        add(example(1, True, 2, load(mine)["severity"]))
        add(example(2, True, 3, load(mine)["severity"]))

    def converted(name: str, policy: Policy) -> int:
        return convert(Options(source=tmp_path / "in.jsonl", out=tmp_path / name), policy).examples

    assert converted("a", load(mine)) == 1
    assert converted("b.jsonl", load(mine)) == 1
    assert converted("c", load()) == 0


async def test_what_has_no_labels_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy is not even consulted."""
    monkeypatch.setattr("trueline.runs.write.contradictions", lambda *_: pytest.fail("asked"))
    given = [Example.new([Message("user", f"{n}")]) for n in range(3)]
    spec = RunSpec("test", (), {}, {})
    record = await write_run(given, [], tmp_path / "out", spec, RunContext(policy))
    assert record.rows == 3
