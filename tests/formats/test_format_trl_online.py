"""TRL's prompt-only and unpaired data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueline.files.hashing import digest
from trueline.files.rows import Row
from trueline.formats.kinds.trl_unpaired import DESIRABLE
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format
from trueline.policy.preference import preference_label
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Reject,
    Response,
    with_labels,
)

UNPAIRED = find_format("trl-unpaired")
person = LabellerId("person", "p")
user = {"role": "user", "content": "how?"}


def read(name: str, **fields: Any) -> Example | Reject:
    return find_format(name).read_row(Row(Path("x.csv"), 3, fields), 0)


def asked(*texts: str) -> Example:
    answers = [Response((Message("assistant", text),)) for text in texts]
    return Example.new([Message("user", "how?")], answers)


def row(text: str, label: bool) -> dict[str, Any]:
    said = [{"role": "assistant", "content": text}]
    return {"prompt": [user], "completion": said, "label": label}


@pytest.mark.parametrize("prompt", ["how?", [user], '[{"role": "user", "content": "how?"}]'])
def test_a_prompt_is_a_text_or_messages(prompt: Any) -> None:
    found = read("trl-prompt-only", prompt=prompt)
    assert isinstance(found, Example)
    assert (found.prompt, found.responses) == ((Message("user", "how?"),), ())
    format = find_format("trl-prompt-only")
    assert format.write_rows(found) == [{"prompt": [user]}]
    assert find_losses(format, asked("a")) == ["responses"]
    nothing = format.write_rows(Example.new())
    assert isinstance(nothing, Reject)
    assert nothing.message == "there is no prompt"


@pytest.mark.parametrize(("label", "value"), [(True, True), ("False", False), ("true", True)])
def test_a_label_is_an_answer(label: Any, value: bool) -> None:
    found = read("trl-unpaired", prompt="how?", completion="so", label=label)
    assert isinstance(found, Example)
    (said,) = found.labels
    assert (said.question, said.about, said.value) == ("desirable", (0,), value)
    assert (said.by, said.question_hash) == (
        LabellerId("imported", "trl-unpaired"),
        digest(DESIRABLE),
    )
    assert UNPAIRED.write_rows(found) == [row("so", value)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": None}, "label is neither true nor false but null"),
        ({"label": 1}, "label is neither true nor false but 1"),
        ({"label": "good"}, "label is neither true nor false but a str"),
        ({"completion": " "}, "completion is blank"),
        ({"completion": [{"role": "assistant", "content": ""}]}, "completion is blank"),
        ({"prompt": ""}, "prompt is blank"),
    ],
)
def test_bad_rows(changes: dict[str, Any], reason: str) -> None:
    found = read("trl-unpaired", **({"prompt": "p", "completion": "c", "label": True} | changes))
    assert isinstance(found, Reject)
    assert (found.message, found.row) == (reason, 3)


def test_a_pair_becomes_two_rows() -> None:
    pair = asked("bad", "good", "unseen")
    pair = with_labels(pair, preference_label(pair, 1, 0, person))
    assert UNPAIRED.write_rows(pair) == [row("good", True), row("bad", False)]
    assert find_losses(UNPAIRED, pair) == ["some responses", "label preferred"]


def test_labelled_responses_become_a_row_each() -> None:
    example = asked("a", "b", "c")
    said = [Label.new(example, DESIRABLE, (at,), person, value=at == 2) for at in (0, 2)]
    labelled = with_labels(example, *said, preference_label(example, 0, 1, person))
    assert UNPAIRED.write_rows(labelled) == [row("a", False), row("c", True)]
    assert find_losses(UNPAIRED, labelled) == [
        "some responses",
        "label preferred",
        "who answered",
    ]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((), "no preference is labelled, and no response is labelled desirable or not"),
        ((True, False), "the labels on 'desirable' differ"),
    ],
)
def test_what_has_no_rows(values: tuple[bool, ...], reason: str) -> None:
    example = asked("a", "b")
    who = (LabellerId("person", "p"), LabellerId("person", "q"))
    said = [
        Label.new(example, DESIRABLE, (0,), by, value=value)
        for by, value in zip(who, values, strict=False)
    ]
    found = UNPAIRED.write_rows(with_labels(example, *said))
    assert isinstance(found, Reject)
    assert found.message == reason
