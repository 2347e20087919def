"""Ratings in the columns of a table come in as labels, or the row says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trueline.files.errors import InputError
from trueline.files.rows import Row
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format
from trueline.policy.load import load as load_policy
from trueline.records.types import Example, LabellerId, Reject

BASE = {"prompt": ["q"], "response": ["a"]}


def read(mapping: dict[str, list[str]], **fields: Any) -> Example | Reject:
    row = Row(Path("x.csv"), 3, {"q": "how?", "a": "so", **fields})
    return find_format("columns", BASE | mapping).read_row(row, 0)


def test_ratings_become_labels_by_their_raters() -> None:
    mapping = {
        "label:refusal@one": ["r1"],
        "label:refusal@two": ["r2"],
        "value:refusal:full": ["comply"],
        "value:refusal:none": ["refuse"],
    }
    found = read(mapping, r1="full", r2=" none ")
    assert isinstance(found, Example)
    assert [(x.by, x.question, x.about, x.value) for x in found.labels] == [
        (LabellerId("imported", "one"), "refusal", (0,), "comply"),
        (LabellerId("imported", "two"), "refusal", (0,), "refuse"),
    ]
    assert len({label.question_hash for label in found.labels}) == 1
    blank = read(mapping, r1="full", r2="")
    assert isinstance(blank, Example) and len(blank.labels) == 1
    wrong = read(mapping, r1="full", r2="maybe")
    assert isinstance(wrong, Reject) and wrong.row == 3
    # counts and screens show what stands before the colon: no cell, which may hold any text
    assert wrong.message.startswith("a cell of 'r2' is none of full, none (--map value:refusal:")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("true", True),
        (False, False),
        ("3", 3),
        (2, 2),
        ("0.5", 0.5),
        ("x", "x"),
        (["a", "b"], ("a", "b")),
    ],
)
def test_a_cell_is_the_value_that_it_looks_like(cell: Any, value: Any) -> None:
    found = read({"label:q@me": ["r"]}, r=cell)
    assert isinstance(found, Example)
    [label] = found.labels
    assert label.value == value and type(label.value) is type(value)


def test_a_pair_is_preferred_and_a_prompt_is_rated() -> None:
    pair = find_format("columns", {"response": ["a", "b"], "label:safer@me": ["r"]})
    found = pair.read_row(Row(Path("x.csv"), 1, {"a": "one", "b": "two", "r": "second"}), 0)
    assert isinstance(found, Example)
    assert [(x.about, x.value) for x in found.labels] == [((0, 1), "second")]
    wrong = pair.read_row(Row(Path("x.csv"), 1, {"a": "one", "b": "two", "r": "true"}), 0)
    assert isinstance(wrong, Reject) and "there are 2" in wrong.message
    prompt = find_format("columns", {"prompt": ["q"], "label:elicits_harm@me": ["r"]})
    found = prompt.read_row(Row(Path("x.csv"), 1, {"q": "how?", "r": "false"}), 0)
    assert isinstance(found, Example) and found.labels[0].about == ()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"label:refusal": ["r"]}, "label:QUESTION@RATER=COLUMN"),
        ({"label:@me": ["r"]}, "label:QUESTION@RATER=COLUMN"),
        ({"value:refusal": ["comply"]}, "value:QUESTION:CELL=VALUE"),
        ({"value:refusal:x": ["comply"]}, "has no --map label:refusal@RATER"),
        ({"label:": ["r"]}, "unknown part 'label:'"),
    ],
)
def test_mappings_of_ratings_that_make_no_sense(
    mapping: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        find_format("columns", BASE | mapping)


def test_a_column_of_ratings_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="no column 'r'"):
        read({"label:refusal@me": ["r"]})


POLICY = load_policy()


def rate(part: str, cell: Any, **more: list[str]) -> Example | Reject:
    """A row with one rating, held to the policy's questions."""
    mapping = BASE | {f"label:{part}@ann": ["r"]} | more
    row = Row(Path("x.csv"), 3, {"q": "how?", "a": "so", "r": cell})
    return find_format("columns", mapping, POLICY).read_row(row)


def test_a_value_that_the_policys_question_does_not_have_is_a_reject_with_the_mend() -> None:
    """`1_full_compliance` is no answer to a question of comply, partial and refuse."""
    wrong = rate("refusal", "1_full_compliance")
    assert isinstance(wrong, Reject) and wrong.row == 3
    options = ", ".join(map(repr, POLICY["refusal"].options))
    assert wrong.message == (
        f"a cell of 'r' is none of {options} (--map value:refusal:CELL=VALUE says what it means): "
        "'1_full_compliance'"
    )
    meant = {"value:refusal:1_full_compliance": ["comply"]}
    good = rate("refusal", "1_full_compliance", **meant)
    assert isinstance(good, Example) and [x.value for x in good.labels] == ["comply"]


def test_a_mapped_value_that_the_question_does_not_have_is_wrong_use() -> None:
    with pytest.raises(InputError, match="value:refusal:full=complies: 'complies' is none of"):
        rate("refusal", "full", **{"value:refusal:full": ["complies"]})


@pytest.mark.parametrize(
    ("question", "cell", "value"),
    [
        ("safe", "yes", True),
        ("safe", "False", False),
        ("severity", "2", 2),
        ("severity", 2.0, 2),  # pandas makes floats of a column with gaps
        ("severity", "", None),
        ("harm_categories", '["Drugs", "Violence"]', ("Violence", "Drugs")),
        ("harm_categories", ["Drugs"], ("Drugs",)),
        ("harm_categories", "Drugs", ("Drugs",)),
        ("harm_categories", [], ()),
    ],
)
def test_a_cell_is_read_as_the_policys_question_is_answered(
    question: str, cell: Any, value: Any
) -> None:
    found = rate(question, cell)
    assert isinstance(found, Example)
    assert [x.value for x in found.labels] == ([] if value is None else [value])
    assert all(type(x.value) is type(value) for x in found.labels)


@pytest.mark.parametrize(
    ("question", "cell"),
    [("safe", "1"), ("severity", "9"), ("severity", "high"), ("harm_categories", ["Gossip"])],
)
def test_an_answer_of_another_kind_is_a_reject(question: str, cell: Any) -> None:
    found = rate(question, cell)
    assert isinstance(found, Reject) and f"(--map value:{question}:CELL=VALUE says" in found.message


def test_a_question_about_the_prompt_is_answered_about_it() -> None:
    found = rate("elicits_harm", "true")
    assert isinstance(found, Example)
    assert [(x.about, x.value) for x in found.labels] == [((), True)]


def test_ratings_are_written_into_their_columns() -> None:
    mapping = BASE | {
        "label:refusal@ann": ["r1"],
        "label:refusal@bob": ["r2"],
        "value:refusal:full": ["comply"],
        "value:refusal:none": ["refuse"],
    }
    format = find_format("columns", mapping, POLICY)
    row = {"q": "how?", "a": "so", "r1": "full", "r2": None}
    example = format.read_row(Row(Path("x.csv"), 1, row))
    assert isinstance(example, Example)
    assert format.write_rows(example) == [row]
    assert find_losses(format, example) == ["source"]
