"""HH-RLHF: transcripts come back byte for byte, or not at all and with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline.files.rows import Row, rows
from trueline.formats.kinds.hh_rlhf import format_transcript, parse_transcript
from trueline.formats.load import read_file
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format
from trueline.policy.preference import preference_label
from trueline.policy.values import preferred_responses
from trueline.records.conversation import Malformed
from trueline.records.types import Example, LabellerId, Message, Reject, Response, with_labels

FORMAT = find_format("hh-rlhf")


def spoken(text: str) -> str:
    """A transcript from its short form: H: and A: begin turns."""
    return "".join(
        f"\n\n{'Human' if turn[0] == 'H' else 'Assistant'}:{turn[2:]}" for turn in text.split("|")
    )


def read(chosen: str, rejected: str) -> Example | Reject:
    fields = {"chosen": spoken(chosen), "rejected": spoken(rejected)}
    return FORMAT.read_row(Row(Path("hh.jsonl"), 2, fields), 0)


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt", "answers"),
    [
        ("H: a|A: b", "H: a|A: c", 1, (1, 1)),
        ("H: a|A: b|H: c|A: d", "H: a|A: b|H: c|A: e", 3, (1, 1)),
        ("H: a|A: b and c", "H: a|A: b and d", 1, (1, 1)),  # the beginning ends inside a turn
        ("H: a|A: b|H: c|A: d", "H: a|A: x|H: y|A: z", 1, (3, 3)),  # they part early
        ("H: a|A: b|H: c|A: d", "H: a|A: x", 1, (3, 1)),
        ("H: a|A: b|A: c", "H: a|A: d", 1, (2, 1)),  # an answer that holds a mark
        ("H: a|H: b|A: c", "H: a|H: b|A: d", 2, (1, 1)),
        ("H: a|A: |H: b|A: c", "H: a|A: |H: b|A: d", 3, (1, 1)),  # an empty turn on the way
        ("H: a\n\nHuman|A: b\n\nAssistant ", "H: a\n\nHuman|A: c\n", 1, (1, 1)),
    ],
)
def test_what_is_read_comes_back(
    chosen: str, rejected: str, prompt: int, answers: tuple[int, int]
) -> None:
    found = read(chosen, rejected)
    assert isinstance(found, Example), found
    assert len(found.prompt) == prompt
    better, worse = preferred_responses(found) or ()
    assert (len(better.messages), len(worse.messages)) == answers
    assert FORMAT.write_rows(found) == [{"chosen": spoken(chosen), "rejected": spoken(rejected)}]
    assert find_losses(FORMAT, found) == ["source"]


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        ("H: a|A: b", "H: a|A: b", "chosen and rejected are the same"),
        ("H: a|A: b", "H: a|A: ", "rejected is blank in its last turn"),
        ("H: a|A: b", "H: a|A:", "rejected: turn 2 (Assistant) does not begin with a space"),
        ("H: a|A: b|H:", "H: a|A: c", "chosen: turn 3 (Human) does not begin with a space"),
        ("H: a|A: b\n\nHuman:no", "H: a|A: c", "chosen: turn 3 (Human) does not begin with a sp"),
        ("H: a|A: b|H: c", "H: a|A: d|H: e", "chosen ends with a Human turn"),
        ("H: a|A: b|H: c|A: d", "H: a|A: b|H: x|A: d", "the prompts differ"),
        ("H: a|A: b", "H: x|A: c", "chosen and rejected share no first turn"),
        ("H: a|A: b", "H: a|A: b|A: c", "one of chosen and rejected is the beginning"),
    ],
)
def test_what_cannot_be_told_apart_is_rejected(chosen: str, rejected: str, reason: str) -> None:
    found = read(chosen, rejected)
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)
    assert (found.file, found.row) == ("hh.jsonl", 2)


@pytest.mark.parametrize(
    "text", ["how?", "Human: a\n\nAssistant: b", "\nHuman: a", " \n\nHuman: a"]
)
def test_no_transcript(text: str) -> None:
    with pytest.raises(Malformed, match="chosen does not begin with a turn"):
        parse_transcript(text, "chosen")


texts = st.text(st.sampled_from(" \nab:Human")) | st.sampled_from(
    ["\n\nHuman: x", "\n\nAssistant:", "Human: x", "\n"]
)
conversations = st.lists(
    st.builds(Message, role=st.sampled_from(["user", "assistant"]), content=texts), min_size=1
)


@given(conversations)
def test_a_transcript_is_read_as_written_or_refused(made: list[Message]) -> None:
    text = format_transcript(tuple(made))
    try:
        found = parse_transcript(text, "chosen")
    except Malformed:
        return
    assert format_transcript(found) == text
    if not any(f"{name}:" in turn.content for turn in made for name in ("Human", "Assistant")):
        assert found == tuple(made)


@pytest.mark.parametrize(
    ("prompt", "answer", "reason"),
    [
        (Message("tool", "x"), "b", "hh-rlhf holds user and assistant turns only"),
        (Message("user", "a\n\nHuman: b"), "c", "a text holds what looks like a turn"),
        (Message("user", "a"), "b\n\nAssistant: c", "a text holds what looks like a turn"),
        (Message("user", "a"), "", "chosen is blank"),
        (Message("system", "a"), "b", "chosen and rejected share no first turn"),
    ],
)
def test_what_has_no_transcript(prompt: Any, answer: str, reason: str) -> None:
    made = Example.new(
        [prompt], [Response((Message("assistant", text),)) for text in (answer, "other")]
    )
    made = with_labels(made, preference_label(made, 0, 1, LabellerId("person", "p")))
    found = FORMAT.write_rows(made)
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)


def test_real_transcripts_come_back_byte_for_byte(shared_data: Path) -> None:
    path = shared_data / "preferences" / "hh_harmless.jsonl.gz"
    before = [row.fields for row in rows(path) if isinstance(row, Row)]
    found = list(read_file(path, FORMAT))
    assert len(found) == len(before) == 1_127
    same = [
        isinstance(example, Example) and FORMAT.write_rows(example) == [row]
        for example, row in zip(found, before, strict=True)
    ]
    assert sum(same) == 1_127
