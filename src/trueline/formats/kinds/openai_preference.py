"""OpenAI's preference fine-tuning data: a conversation and a preferred and another answer."""

from __future__ import annotations

from typing import Any

from trueline.files.rows import Row
from trueline.formats import CONVERSATION, Fields, Format, bad_row, turned_away
from trueline.records.conversation import Malformed, Turns, dicts, messages, unpacked
from trueline.records.preference import PREFERRED, decided, preference_label
from trueline.records.types import Example, LabellerId, Reject, Response, Source, with_labels

_by = LabellerId("imported", "openai-preference")
_outputs = ("preferred_output", "non_preferred_output")


def read(row: Row, occurrence: int) -> Example | Reject:
    """Response 0 is the preferred one."""
    for column in ("input", *_outputs):
        row.text(column)  # no such column: the file is of another format
    try:
        given = unpacked(row.fields["input"], "{")
        if not isinstance(given, dict):
            raise Malformed("input is no object with messages")
        prompt = _turns(given.get("messages"), "input.messages")
        pair = [_turns(row.fields[column], column) for column in _outputs]
        for turns, column in zip(pair, _outputs, strict=True):
            if turns[-1].role != "assistant":
                raise Malformed(f"{column} does not end with the assistant")
            if not any(turn.content.strip() or turn.tool_calls for turn in turns):
                raise Malformed(f"{column} is blank")
        if pair[0] == pair[1]:
            raise Malformed("preferred_output and non_preferred_output are the same")
    except Malformed as error:
        return bad_row(row, str(error))
    example = Example.new(
        prompt,
        [Response(turns) for turns in pair],
        source=Source(row.file.name, row=row.number),
        occurrence=occurrence,
    )
    return with_labels(example, preference_label(example, 0, 1, _by))


def _turns(value: Any, column: str) -> Turns:
    found = unpacked(value)
    if isinstance(found, str) and found.strip():
        raise Malformed(f"{column} is no list of messages")
    return messages(found, "assistant", column)


def overlooks(row: Row) -> list[str]:
    """What `input` holds beside its messages: the tools."""
    given = unpacked(row.fields.get("input"), "{")
    inside = given.items() if isinstance(given, dict) else ()
    return [f"input.{key}" for key, value in inside if key != "messages" and value is not None]


def write(example: Example) -> Fields | Reject:
    """The prompt and both responses, which must end with the assistant."""
    order = decided(example)
    if isinstance(order, str):
        return turned_away(example, order)
    if not example.prompt:
        return turned_away(example, "there is no prompt")
    pair = [example.responses[at].messages for at in order]
    if any(not turns or turns[-1].role != "assistant" for turns in pair):
        return turned_away(example, "a response does not end with the assistant")
    row: Fields = {"input": {"messages": dicts(example.prompt)}}
    return row | dict(zip(_outputs, map(dicts, pair), strict=True))


FORMAT = Format(
    name="openai-preference",
    about="OpenAI's preference fine-tuning: input, preferred_output, non_preferred_output",
    reads=frozenset({"input", *_outputs}),
    holds=CONVERSATION,
    answers=frozenset({PREFERRED.id}),
    read=read,
    write=write,
    overlooks=overlooks,
)
