"""OpenAI's preference fine-tuning data: a conversation and a preferred and another answer."""

from __future__ import annotations

from typing import Any

from trueline.files.rows import Row
from trueline.formats.contract import (
    CannotWrite,
    Fields,
    Format,
    full_prompt,
    new_example,
    preferred_order,
    with_preference,
)
from trueline.records.conversation import Malformed, Turns, read_messages, to_dicts, unpack_cell
from trueline.records.types import Example, Response

_outputs = ("preferred_output", "non_preferred_output")


def read(row: Row, occurrence: int) -> Example:
    """Response 0 is the preferred one."""
    cell, *outputs = (row.value(column) for column in ("input", *_outputs))
    input = unpack_cell(cell, "{")
    if not isinstance(input, dict):
        raise Malformed("input is no object with messages")
    prompt = _turns(input.get("messages"), "input.messages")
    pair = [_turns(cell, column) for cell, column in zip(outputs, _outputs, strict=True)]
    for turns, column in zip(pair, _outputs, strict=True):
        if turns[-1].role != "assistant":
            raise Malformed(f"{column} does not end with the assistant")
        if not any(turn.content.strip() or turn.tool_calls for turn in turns):
            raise Malformed(f"{column} is blank")
    if pair[0] == pair[1]:
        raise Malformed("preferred_output and non_preferred_output are the same")
    example = new_example(row, occurrence, prompt, [Response(turns) for turns in pair])
    return with_preference(example, 0, 1, "openai-preference")


def _turns(value: Any, column: str) -> Turns:
    cell = unpack_cell(value)
    if isinstance(cell, str) and cell.strip():
        raise Malformed(f"{column} is no list of messages")
    return read_messages(cell, "assistant", column)


def unread_inside(row: Row) -> list[str]:
    """What `input` holds beside its messages: the tools."""
    input = unpack_cell(row.fields.get("input"), "{")
    inside = input.items() if isinstance(input, dict) else ()
    return [f"input.{key}" for key, value in inside if key != "messages" and value is not None]


def write(example: Example) -> Fields:
    """The prompt and both responses, which must end with the assistant."""
    pair = [example.responses[at].messages for at in preferred_order(example)]
    prompt = full_prompt(example)
    if any(not turns or turns[-1].role != "assistant" for turns in pair):
        raise CannotWrite("a response does not end with the assistant")
    row: Fields = {"input": {"messages": to_dicts(prompt)}}
    return row | dict(zip(_outputs, map(to_dicts, pair), strict=True))


FORMAT = Format(
    "OpenAI's preference fine-tuning: input, preferred_output, non_preferred_output",
    read,
    write,
    unread_inside=unread_inside,
)
