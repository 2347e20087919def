"""What cannot be stored is turned away with its place, and the Reject itself can be stored."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from trueline.records.store import jsonl, validate
from trueline.records.types import (
    Candidate,
    Choice,
    Constraint,
    Constraints,
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Reject,
    Response,
    Sampling,
    Source,
    with_labels,
)

plain = Example.new([Message("user", "hello")], [Response((Message("assistant", "hi"),))])
asked = Question(id="score", about="prompt", kind="number", ask="How much?")


def put(**fields: object) -> Example:
    return msgspec.structs.replace(plain, **fields)


def labelled(value: float) -> Example:
    return with_labels(plain, Label.new(plain, asked, (), LabellerId("person", "p"), value=value))


@pytest.mark.parametrize(
    ("example", "place"),
    [
        (put(prompt=(Message("user", "\ud800"),)), "prompt.0.content holds a lone surrogate"),
        (put(tags=("a:\udfff",)), "tags.0 holds a lone surrogate"),
        (put(candidates=(Candidate("x", score=float("nan")),)), "candidates.0.score is nan"),
        (labelled(float("inf")), "labels.0.value is inf"),
        (labelled(2**63), "labels.0.value is beyond 64 bits"),
        (put(source=Source("d", row=2**64)), "source.row is beyond 64 bits"),
        (put(task=Choice(("a",), 2**63)), "task.gold is beyond"),
        (
            put(responses=(Response((), sampling=Sampling(temperature=float("inf"))),)),
            "responses.0.sampling.temperature is inf",
        ),
        (
            put(questions=(msgspec.structs.replace(asked, weight=float("nan")),)),
            "questions.0.weight is nan",
        ),
        (
            put(task=Constraints((Constraint("words", {"least": float("inf")}),))),
            "task.rules.0.needs.least is inf",
        ),
        (
            put(task=Constraints((Constraint("words", {"least": 2**63}),))),
            "task.rules.0.needs.least is beyond 64 bits",
        ),
    ],
)
def test_unfit(example: Example, place: str) -> None:
    assert (validate.why_invalid(example) or "").startswith(place)
    stored = validate.storable_reject(Reject("step", "why", example))
    assert validate.why_invalid(stored) is None
    assert stored.example is None
    assert plain.id in (stored.raw or "")


def test_fit() -> None:
    assert validate.why_invalid(plain) is None
    found = Reject("step", "why", plain)
    assert validate.storable_reject(found) is found


def test_raw_keeps_what_was_read(tmp_path: Path) -> None:
    found = validate.new_reject("read", "why", b"a\xff\xed", Path("f.csv"), 3)
    assert (found.raw, found.file, found.row) == ("a\\xff\\xed", "f.csv", 3)
    assert validate.new_reject("read", "why", "a\ud800").raw == "a\\ud800"
    cut = validate.new_reject("read", "why", "x" * 70_000).raw or ""
    assert len(cut) < 66_000
    assert cut.endswith("[cut: 70,000 characters in all]")
    jsonl.write(tmp_path / "r.jsonl", [found])
    assert list(jsonl.rejects(tmp_path / "r.jsonl")) == [found]
