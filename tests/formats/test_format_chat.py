"""Conversations a row: OpenAI's chat and preference fine-tuning, ShareGPT."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trueline.files.rows import Row
from trueline.formats.load import read_file
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format
from trueline.policy.preference import preference_label
from trueline.policy.values import preferred_responses
from trueline.records.types import (
    Example,
    LabellerId,
    Message,
    Reject,
    Response,
    ToolCall,
    with_labels,
)

call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
TOOLS = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "how?"},
    {"role": "assistant", "content": "", "tool_calls": [call]},
    {"role": "tool", "content": "leaves", "tool_call_id": "c1"},
    {"role": "assistant", "content": "so"},
]


def read(name: str, **fields: Any) -> Example | Reject:
    return find_format(name).read_row(Row(Path("x.jsonl"), 3, fields), 0)


def good(name: str, **fields: Any) -> Example:
    found = read(name, **fields)
    assert isinstance(found, Example), found
    return found


def say(role: str, content: Any = "x", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def said(speaker: str, value: Any = "x") -> dict[str, Any]:
    return {"from": speaker, "value": value}


def shape(example: Example) -> tuple[list[str], list[list[str]]]:
    """The roles of the prompt and of each response."""
    return (
        [m.role for m in example.prompt],
        [[m.role for m in response.messages] for response in example.responses],
    )


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (TOOLS, (["system", "user", "assistant", "tool"], [["assistant"]])),
        (TOOLS[:4], (["system", "user", "assistant", "tool"], [])),
        (TOOLS[:3], (["system", "user"], [["assistant"]])),
        (TOOLS[:2], (["system", "user"], [])),
        ([say("developer"), say("user"), say("assistant")], (["developer", "user"], [["assista"]])),
        ([say("assistant")], ([], [["assistant"]])),
    ],
)
def test_the_last_assistant_turn_is_the_response(turns: list[Any], expected: Any) -> None:
    found = good("openai-chat", messages=turns)
    prompt, responses = shape(found)
    assert (prompt, [[r[:7] for r in roles] for roles in responses]) == (
        expected[0],
        [[r[:7] for r in roles] for roles in expected[1]],
    )
    format = find_format("openai-chat")
    assert format.write_rows(found) == [{"messages": turns}]
    assert find_losses(format, found) == ["source"]


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ("how?", "messages is no list of messages"),
        ({"role": "user"}, "messages is no list of messages"),
        (None, "messages is blank"),
        ([], "the conversation is blank"),
        ([say("user", " "), say("assistant")], "turn 1 (user) is blank"),
        ([say("user"), say("assistant", "")], "turn 2 (assistant) is blank"),
        ([say("user"), say("assistant", None)], "messages[1] has no content"),
        ([say("user"), say("assistant", 3)], "messages[1].content is not text"),
        ([say("user"), say("function", name="f")], "messages[1] is no message: it needs a role of"),
        ([say("user"), "x"], "messages[1] is no message"),
        ([say("user"), say("assistant", name="n")], "messages[1] holds name, which no Message can"),
        ([say("user"), say("assistant", None, refusal="no")], "messages[1] holds refusal"),
        ([say("user"), say("assistant", weight=0)], "the last turn has weight 0"),
    ],
)
def test_a_conversation_that_is_none(turns: Any, reason: str) -> None:
    found = read("openai-chat", messages=turns)
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)
    assert (found.file, found.row) == ("x.jsonl", 3)


def test_what_is_not_read_is_counted(tmp_path: Path) -> None:
    path, unread = tmp_path / "x.jsonl", Counter[str]()
    weighed = [say("user"), say("assistant", weight=0), say("user"), say("assistant", weight=1)]
    plain = [say("user"), say("assistant", weight=None)]
    lines = [
        {"messages": weighed, "tools": [], "parallel_tool_calls": False},
        {"messages": plain},
    ]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    found = list(read_file(path, find_format("openai-chat"), unread))
    assert unread == {"tools": 1, "parallel_tool_calls": 1, "messages[].weight": 1}
    assert isinstance(found[0], Example)
    assert shape(found[0]) == (["user", "assistant", "user"], [["assistant"]])


@pytest.mark.parametrize("name", ["openai-chat", "sharegpt"])
def test_of_several_responses_the_preferred_is_written(name: str) -> None:
    format = find_format(name)
    answers = [Response((Message("assistant", text),)) for text in ("one", "two")]
    example = Example.new([Message("user", "how?")], answers)
    undecided = format.write_rows(example)
    assert isinstance(undecided, Reject)
    assert undecided.message == "several responses, and no preference is labelled"
    decided = with_labels(example, preference_label(example, 1, 0, LabellerId("person", "p")))
    rows = format.write_rows(decided)
    assert isinstance(rows, list)
    assert good(name, **rows[0]).responses == (answers[1],)
    assert find_losses(format, decided) == ["some responses", "label preferred"]
    tail = Example.new([], [Response((Message("assistant", "a"), Message("tool", "b")))])
    found = format.write_rows(tail)
    assert isinstance(found, Reject)
    assert found.message == "the response does not end with the assistant"


@pytest.mark.parametrize("name", ["openai-chat", "sharegpt"])
def test_where_an_agent_begins_is_lost_and_said(name: str) -> None:
    format = find_format(name)
    agent = Example.new(
        [Message("user", "how?")],
        [Response((Message("assistant", "a"), Message("user", "b"), Message("assistant", "c")))],
    )
    assert find_losses(format, agent) == ["where the response begins"]
    rows = format.write_rows(agent)
    assert isinstance(rows, list)
    assert shape(good(name, **rows[0])) == (["user", "assistant", "user"], [["assistant"]])
    open_end = Example.new([Message("user", "how?"), Message("assistant", "so")])
    assert find_losses(format, open_end) == ["where the response begins"]


def preference(**changes: Any) -> dict[str, Any]:
    row = {
        "input": {"messages": TOOLS[:4]},
        "preferred_output": [say("assistant", "good")],
        "non_preferred_output": [say("assistant", "bad")],
    }
    return row | changes


def test_openai_preference() -> None:
    format = find_format("openai-preference")
    found = good("openai-preference", **preference())
    better, worse = preferred_responses(found) or ()
    assert (better.text, worse.text) == ("good", "bad")
    assert shape(found)[0] == ["system", "user", "assistant", "tool"]
    assert format.write_rows(found) == [preference()]
    row = preference(input={"messages": TOOLS[:2], "tools": [], "parallel_tool_calls": True})
    assert format.unread_inside is not None
    unread = format.unread_inside(Row(Path("x"), 1, row))
    assert set(unread) == {"input.tools", "input.parallel_tool_calls"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"input": "how?"}, "input is no object with messages"),
        ({"input": {}}, "input.messages is blank"),
        ({"input": {"messages": "how?"}}, "input.messages is no list of messages"),
        ({"preferred_output": "good"}, "preferred_output is no list of messages"),
        ({"preferred_output": []}, "preferred_output is blank"),
        ({"preferred_output": [say("user")]}, "preferred_output does not end with the assistant"),
        ({"non_preferred_output": [say("assistant", " ")]}, "non_preferred_output is blank"),
        ({"preferred_output": [say("assistant", "bad")]}, "preferred_output and non_preferred"),
    ],
)
def test_bad_openai_preference(changes: dict[str, Any], reason: str) -> None:
    found = read("openai-preference", **preference(**changes))
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)


@pytest.mark.parametrize(
    "fields",
    [
        {"conversations": [said("system", "s"), said("human", "h"), said("gpt", "g")]},
        {"conversations": [said("human", "h"), said("gpt", "g")], "system": "s"},
        {"conversations": [said("user", "h"), said("assistant", "g")], "system": "s"},
        {"conversations": [say("system", "s"), say("user", "h"), say("assistant", "g")]},
        {
            "conversations": [said("human", "h") | {"role": None}, said("gpt", "g")],
            "system": "s",
        },
        {
            "conversations": '[{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}]',
            "system": "s",
        },
    ],
)
def test_sharegpt_variants(fields: dict[str, Any]) -> None:
    found = good("sharegpt", **fields)
    assert found.prompt == (Message("system", "s"), Message("user", "h"))
    assert [response.text for response in found.responses] == ["g"]


def test_sharegpt_without_a_system_prompt_or_an_answer() -> None:
    for empty in (None, "", float("nan")):
        found = good("sharegpt", conversations=[said("human", "h")], system=empty)
        assert shape(found) == (["user"], [])


@pytest.mark.parametrize(
    ("value", "calls"),
    [
        (
            '{"name": "f", "arguments": {"b": 1,  "a": 2}}',
            (ToolCall("", "f", '{"b": 1,  "a": 2}'),),
        ),
        ('{"name": "f", "arguments": "{}"}', (ToolCall("", "f", "{}"),)),
        ('{"name": "f"}', (ToolCall("", "f", "{}"),)),
        ('[{"name": "f"}, {"name": "g"}]', (ToolCall("", "f"), ToolCall("", "g"))),
    ],
)
def test_sharegpt_calls(value: str, calls: tuple[ToolCall, ...]) -> None:
    turns = [said("human"), said("function_call", value), said("observation", "o"), said("gpt")]
    found = good("sharegpt", conversations=turns)
    assert found.prompt[1:] == (
        Message("assistant", "", tool_calls=calls),
        Message("tool", "o"),
    )
    rows = find_format("sharegpt").write_rows(found)
    assert isinstance(rows, list)
    assert good("sharegpt", **rows[0]).prompt == found.prompt


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ("how?", "conversations is no list of turns"),
        (None, "conversations is blank"),
        ([], "the conversation is blank"),
        ([said("boss")], "conversations[0] is from nobody known: from is one of human, user, gpt"),
        ([said("human", 3)], "conversations[0].value is no text"),
        ([said("human", None)], "conversations[0].value is no text"),
        ([said("human", " "), said("gpt")], "turn 1 (user) is blank"),
        ([said("human") | {"weight": 1}], "conversations[0] holds weight"),
        ([say("boss")], "conversations[0] is no message: it needs a role of"),
        (["x"], "conversations[0] is no turn"),
        ([said("function_call", "look it up")], "conversations[0].value is no function call"),
        ([said("function_call", "[]")], "conversations[0].value holds no function call"),
        ([said("function_call", '{"arguments": {}}')], "conversations[0].value is no function"),
    ],
)
def test_bad_sharegpt(turns: Any, reason: str) -> None:
    found = read("sharegpt", conversations=turns)
    assert isinstance(found, Reject)
    assert found.message.startswith(reason)


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (
            Message("assistant", "hm", tool_calls=(ToolCall("", "f"),)),
            "sharegpt holds no turn that both speaks and calls tools",
        ),
        (
            Message("user", "", tool_calls=(ToolCall("", "f"),)),
            "sharegpt holds calls of the assistant only",
        ),
    ],
)
def test_what_sharegpt_cannot_write(turn: Message, reason: str) -> None:
    made = Example.new([turn], [Response((Message("assistant", "x"),))])
    found = find_format("sharegpt").write_rows(made)
    assert isinstance(found, Reject)
    assert found.message == reason
