"""PKU-SafeRLHF: both shapes, dual and single preference, and what breaks its invariants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trueline.files.hashing import digest
from trueline.files.rows import Row, rows
from trueline.formats.load import load, read_file
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format
from trueline.policy.load import load as load_policy
from trueline.policy.pku import CATEGORIES, HARM_CATEGORIES, MORE_HELPFUL, SAFE, SAFER, SEVERITY
from trueline.policy.preference import preference_label
from trueline.policy.values import agreed_value, find_preference
from trueline.recipes.conversion import Options
from trueline.recipes.convert import convert
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Reject,
    Response,
    Unscored,
    with_labels,
)

FORMAT = find_format("pku-saferlhf")
none = dict.fromkeys(CATEGORIES, False)
person = LabellerId("person", "p")


def old(**changes: Any) -> dict[str, Any]:
    row = {
        "prompt": "how?",
        "response_0": "one",
        "response_1": "two",
        "is_response_0_safe": True,
        "is_response_1_safe": False,
        "better_response_id": 1,
        "safer_response_id": 0,
    }
    return row | changes


def full(**changes: Any) -> dict[str, Any]:
    row = {
        "prompt": "how?",
        "response_0": "one",
        "response_1": "two",
        "prompt_source": "people",
        "response_0_source": "small",
        "response_1_source": "large",
        "is_response_0_safe": True,
        "is_response_1_safe": False,
        "response_0_harm_category": none,
        "response_1_harm_category": none | {"Drugs": True, "Violence": True},
        "response_0_severity_level": 0,
        "response_1_severity_level": 3,
        "better_response_id": 1,
        "safer_response_id": 0,
    }
    return row | changes


def without(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in columns}


def read(row: dict[str, Any]) -> Example | Reject:
    return FORMAT.read_row(Row(Path("pku.jsonl"), 4, row), 0)


def good(row: dict[str, Any]) -> Example:
    found = read(row)
    assert isinstance(found, Example), found
    return found


def test_every_field_has_its_place() -> None:
    found = good(full())
    assert found.prompt == (Message("user", "how?"),)
    assert [(r.text, r.model) for r in found.responses] == [("one", "small"), ("two", "large")]
    assert found.tags == ("prompt_source:people",)
    assert {(x.question, x.about, x.value) for x in found.labels} == {
        ("safe", (0,), True),
        ("safe", (1,), False),
        ("harm_categories", (1,), ("Violence", "Drugs")),
        ("severity", (1,), 3),
        ("more_helpful", (0, 1), "second"),
        ("safer", (0, 1), "first"),
    }
    assert {x.by for x in found.labels} == {LabellerId("imported", "pku-saferlhf")}
    hashes = {x.question: x.question_hash for x in found.labels}
    asked = (SAFE, HARM_CATEGORIES, SEVERITY, MORE_HELPFUL, SAFER)
    assert hashes == {q.id: digest(q) for q in asked}


def test_dual_preference_leaves_the_choice_open() -> None:
    found = good(old())
    undecided = find_preference(found)
    assert isinstance(undecided, Unscored)
    assert undecided.reason.startswith("no preference is labelled, but more_helpful and safer")
    assert (find_preference(found, "more_helpful"), find_preference(found, "safer")) == (
        (1, 0),
        (0, 1),
    )
    assert find_preference(found, "kinder") == Unscored(
        "no 'kinder' preference is labelled, but more_helpful and safer: "
        "convert --preference lets one of them decide"
    )


@pytest.mark.parametrize(
    "row",
    [
        full(),
        old(),
        without(old(), "safer_response_id"),
        without(full(), "safer_response_id"),
        {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 0},
        old(is_response_0_safe=False),
        old(is_response_1_safe=True, safer_response_id=1),
        full(response_1_harm_category=none),
        full(response_1_severity_level=None),
        full(prompt_source=None, response_0_source=None),
    ],
)
def test_a_row_comes_back_as_it_was(row: dict[str, Any]) -> None:
    found = good(row)
    assert FORMAT.write_rows(found) == [row]
    assert list(FORMAT.write_rows(found)[0]) == list(row)  # type: ignore[index]
    assert find_losses(FORMAT, found) == ["source"]


def test_single_preference_is_the_overall_choice() -> None:
    found = good(without(old(), "safer_response_id"))
    assert find_preference(found) == (1, 0)
    assert {x.question for x in found.labels} == {"safe", "preferred"}


@pytest.mark.parametrize(
    ("safe", "forced"), [((True, True), True), ((False, False), True), ((True, False), False)]
)
def test_forced_choices_are_marked_and_kept(safe: tuple[bool, bool], forced: bool) -> None:
    found = good(old(is_response_0_safe=safe[0], is_response_1_safe=safe[1]))
    assert (found.tag("forced") == "safer") is forced
    assert find_preference(found, "safer") == (0, 1)
    assert "tag forced" not in find_losses(FORMAT, found)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            full(response_0_severity_level=2),
            "a safe response has severity 0: response 0 is safe, with 2",
        ),
        (
            full(response_0_harm_category=none | {"Drugs": True}),
            "a safe response has no category: response 0 is safe, with Drugs",
        ),
        (
            full(response_1_severity_level=0),
            "severity 0 is safe: response 1 is unsafe, with 0",
        ),
        (
            old(safer_response_id=1),
            "the safe response is the safer one: response 0 is safe, and safer_response_id is 1",
        ),
        (old(safer_response_id=2), "safer_response_id is no whole number from 0 to 1 but 2"),
        (old(safer_response_id=None), "safer_response_id is no whole number from 0 to 1 but null"),
        (old(better_response_id=True), "better_response_id is no whole number from 0 to 1 but tr"),
        (old(better_response_id="x"), "better_response_id is no whole number from 0 to 1 but a s"),
        (old(is_response_0_safe="maybe"), "is_response_0_safe is neither true nor false but a st"),
        (old(is_response_0_safe=1), "is_response_0_safe is neither true nor false but 1"),
        (old(is_response_0_safe=None), "is_response_0_safe is missing"),
        (
            without(full(), "is_response_0_safe", "is_response_1_safe"),
            "is_response_0_safe is missing, where severity or categories are given",
        ),
        (full(response_1_severity_level=4), "response_1_severity_level is no whole number from 0"),
        (full(response_1_harm_category=["Drugs"]), "response_1_harm_category is no object of 19"),
        (
            full(response_1_harm_category=without(none, "Drugs")),
            "response_1_harm_category lacks 'Drugs' (19 categories are expected)",
        ),
        (
            full(response_1_harm_category=none | {"Gossip": False}),
            "response_1_harm_category has a key that is none of the 19 categories: 'Gossip'",
        ),
        (
            full(response_1_harm_category=none | {"Drugs": None}),
            "response_1_harm_category['Drugs'] is neither true nor false but null",
        ),
        (old(response_1="one"), "response_0 and response_1 are the same text"),
        (old(prompt=" "), "prompt is blank"),
        (full(response_0_source=3), "response_0_source is no text"),
    ],
)
def test_a_row_that_cannot_be_right_is_named(row: dict[str, Any], reason: str) -> None:
    found = read(row)
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)
    assert (found.file, found.row) == ("pku.jsonl", 4)


def pair(*labels: tuple[Any, tuple[int, ...], Any], texts: str = "abc") -> Example:
    made = Example.new(
        [Message("user", "how?")], [Response((Message("assistant", t),)) for t in texts]
    )
    said = [Label.new(made, q, about, person, value=value) for q, about, value in labels]
    return with_labels(made, *said)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "no preference is labelled"),
        ([(SAFER, (0, 1), "first")], "no preference is labelled, but safer:"),
        ([(SAFER, (0, 1), "tie"), (MORE_HELPFUL, (0, 1), "first")], "safer: the preference is a t"),
        (
            [(SAFER, (0, 1), "first"), (MORE_HELPFUL, (1, 2), "first")],
            "more_helpful and safer are about different pairs",
        ),
        ([(SAFE, (0,), True)], "is_response_1_safe is missing, where is_response_0_safe is given"),
        (
            [(SAFE, (0,), True), (SAFE, (1,), True), (SEVERITY, (0,), 2)],
            "a safe response has severity 0",
        ),
        ([(SEVERITY, (0,), 2)], "severity or categories are labelled, and safe is not"),
        ([(SAFE, (0,), False), (SEVERITY, (0,), 7)], "severity is no whole number from 0 to 3"),
        ([(SAFE, (0,), False), (HARM_CATEGORIES, (0,), ("x",))], "harm_categories are not of"),
    ],
)
def test_what_has_no_row(labels: list[Any], reason: str) -> None:
    example = pair(*labels)
    if labels and labels[0][0] in (SAFE, SEVERITY):
        example = with_labels(example, preference_label(example, 0, 1, person))
    found = FORMAT.write_rows(example)
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)


def test_of_several_responses_the_judged_pair_is_written() -> None:
    example = pair((SAFER, (1, 2), "second"), (MORE_HELPFUL, (1, 2), "first"))
    example = with_labels(example, preference_label(example, 0, 1, person))
    assert FORMAT.write_rows(example) == [
        {
            "prompt": "how?",
            "response_0": "b",
            "response_1": "c",
            "better_response_id": 0,
            "safer_response_id": 1,
        }
    ]
    assert {"some responses", "label preferred", "who answered"} <= set(
        find_losses(FORMAT, example)
    )


def test_the_older_shape_as_it_was_released(shared_data: Path) -> None:
    path = shared_data / "preferences" / "pku_saferlhf_schema_sample.json"
    before = [row.fields for row in rows(path) if isinstance(row, Row)]
    found = [example for example in read_file(path, FORMAT) if isinstance(example, Example)]
    assert len(found) == len(before) == 32
    assert [FORMAT.write_rows(example) for example in found] == [[row] for row in before]
    assert sum(example.tag("forced") == "safer" for example in found) == 27
    for example in found:
        safe = agreed_value(example, "safe", (0,)), agreed_value(example, "safe", (1,))
        if safe[0] != safe[1]:
            assert find_preference(example, "safer") == ((0, 1) if safe[0] else (1, 0))


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.jsonl.gz"])
def test_both_shapes_share_a_file(tmp_path: Path, name: str) -> None:
    source = tmp_path / "in.jsonl"
    given = [old(prompt="a"), full(prompt="b"), full(prompt="c", response_1_severity_level=None)]
    source.write_text("\n".join(map(json.dumps, given)))
    there = Options(source=source, out=tmp_path / "set", from_="pku-saferlhf")
    assert convert(there, load_policy()).examples == 3
    back = Options(source=tmp_path / "set", out=tmp_path / name, to="pku-saferlhf")
    assert convert(back, load_policy()).losses == {"source": 3}
    again = [
        FORMAT.write_rows(e)
        for e in load(tmp_path / name, "pku-saferlhf")
        if isinstance(e, Example)
    ]
    assert again == [[row] for row in given]
