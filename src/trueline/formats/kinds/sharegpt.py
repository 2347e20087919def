"""ShareGPT's conversations, in the variants that trainers read: `from` and `value`, or `role`.

Calls of tools are turns of their own (`function_call`), with a name and arguments in JSON and no
ids; their results are `observation` or `tool`.  A `system` column is the first turn.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from trueline.files.rows import Row
from trueline.formats import cells
from trueline.formats.contract import CannotWrite, Fields, Format, new_example
from trueline.formats.conversations import read_cell, split_conversation, write_conversation
from trueline.records.conversation import Malformed, read_message
from trueline.records.types import Example, Message, Role, ToolCall

_speakers: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "function_call": "assistant",
    "observation": "tool",
    "tool": "tool",
}
_names = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}


class _Call(Struct):
    name: str
    arguments: Raw = Raw(b"{}")


_calls = msgspec.json.Decoder(_Call | list[_Call])


def read(row: Row, occurrence: int) -> Example:
    """The last assistant turn is the response, what came before it the prompt; a conversation that
    ends with another turn has no response."""
    cell = read_cell(row, "conversations", "turns")
    turns = [_turn(turn, f"conversations[{at}]") for at, turn in enumerate(cell)]
    if (system := cells.value(row.fields, "system")) is not None:
        turns.insert(0, Message("system", cells.text(system, "system")))
    return new_example(row, occurrence, *split_conversation(turns))


def _turn(turn: Any, place: str) -> Message:
    if not isinstance(turn, dict):
        raise Malformed(f"{place} is no turn: it needs from and value")
    fields = {key: value for key, value in turn.items() if value is not None}
    if "from" not in fields:
        return read_message(fields, place)
    if unknown := fields.keys() - {"from", "value"}:
        raise Malformed(f"{place} holds {', '.join(sorted(unknown))}, which no Message can hold")
    speaker, value = fields["from"], fields.get("value")
    if not isinstance(speaker, str) or speaker not in _speakers:
        raise Malformed(f"{place} is from nobody known: from is one of {', '.join(_speakers)}")
    if not isinstance(value, str):
        raise Malformed(f"{place}.value is no text")
    if speaker == "function_call":
        return Message("assistant", "", tool_calls=_tool_calls(value, place))
    return Message(_speakers[speaker], value)


def _tool_calls(value: str, place: str) -> tuple[ToolCall, ...]:
    """The calls in a turn; arguments that are an object keep their very text."""
    try:
        decoded = _calls.decode(value)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Malformed(f"{place}.value is no function call: {error}") from error
    calls = decoded if isinstance(decoded, list) else [decoded]
    if not calls:
        raise Malformed(f"{place}.value holds no function call")
    return tuple(ToolCall("", call.name, _arguments(bytes(call.arguments))) for call in calls)


def _arguments(raw: bytes) -> str:
    return str(msgspec.json.decode(raw)) if raw.startswith(b'"') else raw.decode()


def write(example: Example) -> Fields:
    """One conversation with the one response, or the preferred of several."""
    turns = write_conversation(example)
    if any(turn.tool_calls and turn.content for turn in turns):
        raise CannotWrite("sharegpt holds no turn that both speaks and calls tools")
    if any(turn.tool_calls and turn.role != "assistant" for turn in turns):
        raise CannotWrite("sharegpt holds calls of the assistant only")
    return {"conversations": [_write_turn(turn) for turn in turns]}


def _write_turn(turn: Message) -> dict[str, str]:
    if not turn.tool_calls:
        return {"from": _names.get(turn.role, "system"), "value": turn.content}
    calls = [_Call(call.name, _raw(call.arguments)) for call in turn.tool_calls]
    value = msgspec.json.encode(calls[0] if len(calls) == 1 else calls)
    return {"from": "function_call", "value": value.decode()}


def _raw(arguments: str) -> Raw:
    """Arguments as they are if they are a JSON object, else as a JSON text."""
    try:
        is_object = arguments.startswith("{") and isinstance(msgspec.json.decode(arguments), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        is_object = False
    is_exact = is_object and arguments.endswith("}")
    return Raw(arguments.encode() if is_exact else msgspec.json.encode(arguments))


FORMAT = Format(
    "ShareGPT: conversations, as lists of from and value or of role and content; system",
    read,
    write,
)
