"""What a format loses is found by reading back what it writes, whatever it says of itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from trueline.files.rows import Row
from trueline.formats.contract import Fields, Format, new_example
from trueline.formats.losses import APART, WORDS, find_losses
from trueline.formats.registry import find_format
from trueline.policy.load import load as load_policy
from trueline.policy.preference import preference_label
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Response,
    Source,
    with_labels,
)

USER = Message("user", "How is tea made?")


def answers(*texts: str, model: str | None = None) -> list[Response]:
    return [Response((Message("assistant", text),), model=model) for text in texts]


def test_a_format_that_says_it_keeps_all_cannot_hide_what_it_drops() -> None:
    def read(row: Row, occurrence: int) -> Example:
        said = answers(row.text("answer"))
        return new_example(row, occurrence, [Message("user", row.text("question"))], said)

    def write(example: Example) -> Fields:
        return {"question": example.prompt[-1].content, "answer": example.responses[0].text}

    liar = Format("keeps every part of every Example, without any loss", read, write)
    example = Example.new(
        [Message("system", "Be brief."), USER],
        answers("Boil water.", "No.", model="m"),
        source=Source("x", license="MIT"),
        tags=["lang:en"],
    )
    by = LabellerId("person", "ann")
    example = with_labels(example, preference_label(example, 0, 1, by))
    assert find_losses(liar, example) == [
        "some responses",
        "system turns",
        "models of the responses",
        "source",
        "licence",
        "label preferred",
        "tag lang",
    ]
    plain = Example.new([USER], answers("Boil water."))
    assert find_losses(liar, plain) == []


@pytest.mark.parametrize(
    ("answer", "losses"),
    [
        ("Boil water.", []),
        ("boil water", ["responses"]),  # only the letters are kept
        ("", ["everything: the row cannot be read back"]),
    ],
)
def test_a_text_that_comes_back_changed_is_lost(answer: str, losses: list[str]) -> None:
    blank = "raises Malformed for it"

    def read(row: Row, occurrence: int) -> Example:
        from trueline.formats import cells

        said = answers(cells.text(row.text("answer"), blank).capitalize())
        return new_example(row, occurrence, [USER], said)

    def write(example: Example) -> Fields:
        return {"answer": example.responses[0].text.removesuffix(".") + "." * bool(answer)}

    changes = Format("changes what it holds", read, write)
    assert find_losses(changes, Example.new([USER], answers(answer))) == losses


def test_of_a_table_that_cannot_be_read_everything_is_lost() -> None:
    def read(row: Row, occurrence: int) -> Example:
        return new_example(row, occurrence, [Message("user", row.text("question"))])

    other = Format("writes another table than it reads", read, lambda example: {"q": "how?"})
    assert find_losses(other, Example.new([USER])) == ["everything: the row cannot be read back"]


def test_words_that_differ_from_those_that_were_asked_are_told() -> None:
    """Answers to the policy's own question come back as answers to PKU-SafeRLHF's."""
    policy = load_policy()
    example = Example.new([USER], answers("Boil water.", "Boil a cat."))
    by = LabellerId("imported", "pku-saferlhf")
    said = [Label.new(example, policy["safe"], (at,), by, value=at == 0) for at in (0, 1)]
    example = with_labels(example, *said, preference_label(example, 0, 1, by))
    assert find_losses(find_format("pku-saferlhf"), example) == ["wording of questions"]


def test_of_two_tags_with_one_key_the_second_is_lost() -> None:
    example = Example.new([USER], tags=["lang:en", "lang:fr"])
    format = find_format("columns", {"prompt": ["q"], "tag:lang": ["l"]})
    assert find_losses(format, example) == ["tag lang"]


def test_turns_in_another_order_are_told() -> None:
    example = Example.new([USER, Message("system", "Be brief.")])
    format = find_format("columns", {"prompt": ["q"], "system": ["s"]})
    assert find_losses(format, example) == ["order of turns"]


@pytest.mark.parametrize("kind", [*APART, Example], ids=lambda kind: kind.__name__)
def test_every_field_has_words_or_is_compared_in_its_own_way(kind: type[msgspec.Struct]) -> None:
    fields = {field.name for field in msgspec.structs.fields(kind)}
    named = {part.partition(".")[2] for part in WORDS if part.startswith(f"{kind.__name__}.")}
    assert fields - APART[kind] - named == set()
    assert (named | APART[kind]) - fields == set()


def test_rows_are_told_from_a_file_of_the_same_name() -> None:
    """The source of what is read back is none that data can have."""
    example = Example.new([USER], source=Source("rows that were written", row=1))
    assert find_losses(find_format("trl-prompt-only"), example) == []
    assert Path("rows that were written").suffix == ""  # no reader would take such a file
