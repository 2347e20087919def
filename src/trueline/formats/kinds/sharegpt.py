"""ShareGPT's conversations, in the variants that trainers read: `from` and `value`, or `role`.

Calls of tools are turns of their own (`function_call`), with a name and arguments in JSON and no
ids; their results are `observation` or `tool`.  A `system` column is the first turn.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from trueline.files.rows import Row
from trueline.formats import CONVERSATION, Fields, Format, bad_row, cells, turned_away
from trueline.records.conversation import Malformed, divided, message, split, unpacked, whole
from trueline.records.types import Example, Message, Reject, Role, Source, ToolCall

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


def read(row: Row, occurrence: int) -> Example | Reject:
    """The last assistant turn is the response, what came before it the prompt; a conversation that
    ends with another turn has no response."""
    row.text("conversations")  # no such column: the file is of another format
    try:
        found = unpacked(row.fields["conversations"])
        if not isinstance(found, list):
            blank = found is None or found == ""
            raise Malformed(f"conversations is {'blank' if blank else 'no list of turns'}")
        turns = tuple(_turn(turn, f"conversations[{at}]") for at, turn in enumerate(found))
        system = cells.given(row.fields, "system")
        if system is not None:
            turns = (Message("system", cells.text(system, "system")), *turns)
        prompt, responses = split(turns)
    except Malformed as error:
        return bad_row(row, str(error))
    return Example.new(
        prompt, responses, source=Source(row.file.name, row=row.number), occurrence=occurrence
    )


def _turn(turn: Any, place: str) -> Message:
    if not isinstance(turn, dict):
        raise Malformed(f"{place} is no turn: it needs from and value")
    given = {key: value for key, value in turn.items() if value is not None}
    if "from" not in given:
        return message(given, place)
    if unknown := given.keys() - {"from", "value"}:
        raise Malformed(f"{place} holds {', '.join(sorted(unknown))}, which no Message can hold")
    speaker, value = given["from"], given.get("value")
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
        found = _calls.decode(value)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Malformed(f"{place}.value is no function call: {error}") from error
    several = found if isinstance(found, list) else [found]
    if not several:
        raise Malformed(f"{place}.value holds no function call")
    return tuple(ToolCall("", call.name, _arguments(bytes(call.arguments))) for call in several)


def _arguments(raw: bytes) -> str:
    return str(msgspec.json.decode(raw)) if raw.startswith(b'"') else raw.decode()


def write(example: Example) -> Fields | Reject:
    """One conversation with the one response, or the preferred of several."""
    turns = whole(example)
    if isinstance(turns, str):
        return turned_away(example, turns)
    if any(turn.tool_calls and turn.content for turn in turns):
        return turned_away(example, "sharegpt holds no turn that both speaks and calls tools")
    if any(turn.tool_calls and turn.role != "assistant" for turn in turns):
        return turned_away(example, "sharegpt holds calls of the assistant only")
    return {"conversations": [_written(turn) for turn in turns]}


def _written(turn: Message) -> dict[str, str]:
    if not turn.tool_calls:
        return {"from": _names.get(turn.role, "system"), "value": turn.content}
    calls = [_Call(call.name, _raw(call.arguments)) for call in turn.tool_calls]
    value = msgspec.json.encode(calls[0] if len(calls) == 1 else calls)
    return {"from": "function_call", "value": value.decode()}


def _raw(arguments: str) -> Raw:
    """Arguments as they are where they are a JSON object, else as a JSON text."""
    try:
        plain = arguments.startswith("{") and isinstance(msgspec.json.decode(arguments), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        plain = False
    exact = plain and arguments.endswith("}")
    return Raw(arguments.encode() if exact else msgspec.json.encode(arguments))


FORMAT = Format(
    name="sharegpt",
    about="ShareGPT: conversations, as lists of from and value or of role and content; system",
    reads=frozenset({"conversations", "system"}),
    holds=CONVERSATION - {"tool call ids", "developer turns", "reasoning"},
    read=read,
    write=write,
    also=divided,
)
