"""Conversations as other tools write them: a text, or a list of `role` and `content` objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from trueline.records.types import ROLES, Message, Role, ToolCall

Turns = tuple[Message, ...]
_KEYS = {"role", "content", "reasoning_content", "tool_calls", "tool_call_id"}


class Malformed(ValueError):
    """A conversation that cannot be read; the message says what was found in it."""


def read_messages(value: Any, role: Role, column: str) -> tuple[Message, ...]:
    """The turns in a cell; a plain text is one turn of `role`.

    Cells of a table hold lists as JSON.  Raises Malformed, with the column's name, for anything
    blank or unknown: what cannot be held is not dropped.
    """
    value = unpack_cell(value)
    if isinstance(value, str) and value.strip():
        return (Message(role, value),)
    if not value or isinstance(value, str):
        raise Malformed(f"{column} is blank")
    if not isinstance(value, list):
        raise Malformed(f"{column} is neither a text nor a list of messages")
    return tuple(read_message(turn, f"{column}[{at}]") for at, turn in enumerate(value))


def unpack_cell(value: Any, start: str = "[{") -> Any:
    """The value of a cell; tables hold lists and objects as JSON, which begins with `start`."""
    if isinstance(value, str) and value.lstrip().startswith(start):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value  # a text that merely looks like one
    return value


def to_dicts(turns: Sequence[Message]) -> list[dict[str, Any]]:
    """The turns as the objects that chat templates and trainers read."""
    return [_dict(turn) for turn in turns]


def _dict(turn: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.reasoning is not None:
        found["reasoning_content"] = turn.reasoning
    if turn.tool_calls:
        found["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in turn.tool_calls
        ]
    if turn.tool_call_id is not None:
        found["tool_call_id"] = turn.tool_call_id
    return found


def read_message(turn: Any, place: str) -> Message:
    """One turn; raises Malformed, with its place, for anything that a Message cannot hold."""
    if not isinstance(turn, dict) or turn.get("role") not in ROLES:
        raise Malformed(f"{place} is no message: it needs a role of {', '.join(ROLES)}")
    # loaders that unite rows into columns fill keys that a turn lacks with null
    if unknown := [key for key, value in turn.items() if key not in _KEYS and value is not None]:
        raise Malformed(f"{place} holds {', '.join(map(str, unknown))}, which no Message can hold")
    reasoning, answers = turn.get("reasoning_content"), turn.get("tool_call_id")
    for name, value in (("reasoning_content", reasoning), ("tool_call_id", answers)):
        if not isinstance(value, str | None):
            raise Malformed(f"{place}.{name} is no text")
    return Message(
        role=turn["role"],
        content=_content(turn, place),
        reasoning=reasoning,
        tool_calls=tuple(_call(call, place) for call in turn.get("tool_calls") or ()),
        tool_call_id=answers,
    )


def _content(turn: dict[str, Any], place: str) -> str:
    value = turn.get("content")
    if value is None and turn.get("tool_calls"):
        return ""  # an assistant's turn that only calls tools
    if value is None:
        raise Malformed(f"{place} has no content")
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else [value]
    if all(isinstance(p, dict) and isinstance(p.get("text"), str) for p in parts):
        return "".join(part["text"] for part in parts)
    raise Malformed(f"{place}.content is not text (images and sounds are not read)")


def _call(call: Any, place: str) -> ToolCall:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Malformed(f"{place}.tool_calls holds a call without a name")
    arguments = function.get("arguments", "{}")
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCall(id=str(call.get("id") or ""), name=function["name"], arguments=arguments)
