"""Everything that could change an answer changes its key, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from trueline.ledger.keys import keys, loglikelihood_key
from trueline.records.types import Message, Sampling, Tool, ToolCall

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
    assert loglikelihood_key("m", [replace(MESSAGE, **change)], ["a"]) != loglikelihood_key(
        "m", [MESSAGE], ["a"]
    )


def test_model_turns_index_and_continuations_are_part_of_the_key() -> None:
    four = keys("m", [MESSAGE], SAMPLING, 4)
    assert len(set(four)) == 4
    assert keys("m", (MESSAGE,), SAMPLING, 2, first=2) == four[2:]
    assert keys("other", [MESSAGE], SAMPLING) != four[:1]
    assert keys("m", [MESSAGE, MESSAGE], SAMPLING) != four[:1]
    scored = {
        loglikelihood_key("m", [MESSAGE], texts)
        for texts in (["a", "b"], ["b", "a"], ["ab"], ["a"])
    }
    assert len(scored | set(four)) == 8


def test_two_spellings_of_one_letter_are_two_questions() -> None:
    composed, decomposed = Message("user", "\u00e9"), Message("user", "e\u0301")
    assert keys("m", [composed], SAMPLING) != keys("m", [decomposed], SAMPLING)


@pytest.mark.parametrize(
    "given",
    [
        {"tools": [Tool("look", "Looks.")]},
        {"tools": [Tool("see", "Looks.")]},
        {"tools": [Tool("look", "Looks around.")]},
        {"tools": [Tool("look", "Looks.", "{}")]},
        {"tools": [Tool("look", "Looks."), Tool("see", "Looks.")]},
        {"start": "Sure"},
        {"start": "Sure, "},
        {"tools": [Tool("look", "Looks.")], "start": "Sure"},
    ],
    ids=lambda given: repr(given)[:60],
)
def test_tools_and_a_begun_turn_are_part_of_the_key(given: dict[str, Any]) -> None:
    one = keys("m", [MESSAGE], SAMPLING, **given)
    assert one == keys("m", (MESSAGE,), SAMPLING, **given)
    others = [{}, {"tools": [Tool("a", "b")]}, {"start": "Other"}]
    assert all(one != keys("m", [MESSAGE], SAMPLING, **other) for other in others)


def test_keys_of_earlier_ledgers_are_found_again() -> None:
    call = Message("assistant", "", tool_calls=(ToolCall("1", "look", '{"a":1}'),))
    turns = [MESSAGE, call, Message("tool", "7", tool_call_id="1")]
    assert [key.hex() for key in keys("m", [MESSAGE], SAMPLING, 2)] == [
        "4e1ce4a8bfa57a15e0f72c777ef0595d",
        "12dce49e79177fb7d6b78dd14bb5e287",
    ]
    assert [key.hex() for key in keys("m", turns, Sampling())] == [
        "8a1a38525cee20afe10dda00687a241f"
    ]
    assert loglikelihood_key("m", [MESSAGE], ["a", "b"]).hex() == "62c4caec90faff6add8d7e3ac0288ced"
