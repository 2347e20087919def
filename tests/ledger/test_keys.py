"""Everything that could change an answer changes its key, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from trueline.ledger.keys import keys, score_key
from trueline.records.types import Message, Sampling, ToolCall

MESSAGE = Message("user", "Where does the river run?")
SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_tokens=8, seed=3, stop=("\n",))


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.6},
        {"top_p": 0.8},
        {"max_tokens": 9},
        {"max_tokens": None},
        {"seed": 4},
        {"seed": None},
        {"stop": ()},
        {"logprobs": True},
    ],
)
def test_each_field_of_the_sampling_is_part_of_the_key(change: dict[str, Any]) -> None:
    assert set(change) <= set(Sampling.__struct_fields__)
    one = keys("m", [MESSAGE], SAMPLING)
    assert keys("m", [MESSAGE], replace(SAMPLING, **change)) != one


@pytest.mark.parametrize(
    "change",
    [
        {"role": "system"},
        {"content": "Where does the river run? "},
        {"reasoning": "hm"},
        {"tool_calls": (ToolCall("1", "look"),)},
        {"tool_call_id": "1"},
    ],
)
def test_each_field_of_a_message_is_part_of_the_key(change: dict[str, Any]) -> None:
    one = keys("m", [MESSAGE], SAMPLING)
    assert keys("m", [replace(MESSAGE, **change)], SAMPLING) != one
    assert score_key("m", [replace(MESSAGE, **change)], ["a"]) != score_key("m", [MESSAGE], ["a"])


def test_model_turns_index_and_continuations_are_part_of_the_key() -> None:
    four = keys("m", [MESSAGE], SAMPLING, 4)
    assert len(set(four)) == 4
    assert keys("m", (MESSAGE,), SAMPLING, 2, first=2) == four[2:]
    assert keys("other", [MESSAGE], SAMPLING) != four[:1]
    assert keys("m", [MESSAGE, MESSAGE], SAMPLING) != four[:1]
    scored = {score_key("m", [MESSAGE], texts) for texts in (["a", "b"], ["b", "a"], ["ab"], ["a"])}
    assert len(scored | set(four)) == 8


def test_two_spellings_of_one_letter_are_two_questions() -> None:
    composed, decomposed = Message("user", "\u00e9"), Message("user", "e\u0301")
    assert keys("m", [composed], SAMPLING) != keys("m", [decomposed], SAMPLING)
