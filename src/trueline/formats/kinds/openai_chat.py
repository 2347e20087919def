"""OpenAI's chat fine-tuning data: a conversation a line, whose last assistant turn is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trueline.files.rows import Row
from trueline.formats import CONVERSATION, Fields, Format, bad_row, turned_away
from trueline.records.conversation import Malformed, dicts, divided, message, split, unpacked, whole
from trueline.records.types import Example, Message, Reject, Source


def read(row: Row, occurrence: int) -> Example | Reject:
    """The last assistant turn is the response, what came before it the prompt; a conversation that
    ends with another turn has no response.

    `weight` says which turns are to be learnt (1, or not given) or not (0).  Here the response is;
    so a conversation whose last turn has weight 0 is a Reject, and other weights are not read.
    """
    row.text("messages")  # no such column: the file is of another format
    try:
        prompt, responses = split(tuple(_messages(row.fields["messages"])))
        if responses and _weights(row)[-1] == 0:
            raise Malformed("the last turn has weight 0, so it is not to be learnt")
    except Malformed as error:
        return bad_row(row, str(error))
    return Example.new(
        prompt, responses, source=Source(row.file.name, row=row.number), occurrence=occurrence
    )


def _messages(value: Any) -> Iterator[Message]:
    found = unpacked(value)
    if not isinstance(found, list):
        blank = found is None or found == ""
        raise Malformed(f"messages is {'blank' if blank else 'no list of messages'}")
    for at, turn in enumerate(found):
        bare = turn
        if isinstance(turn, dict):
            bare = {key: value for key, value in turn.items() if key != "weight"}
        yield message(bare, f"messages[{at}]")


def _weights(row: Row) -> list[Any]:
    found = unpacked(row.fields["messages"])
    turns = found if isinstance(found, list) else []
    return [turn.get("weight") if isinstance(turn, dict) else None for turn in turns]


def overlooks(row: Row) -> list[str]:
    """Weights, where a conversation gives any."""
    given = [weight for weight in _weights(row) if weight is not None]
    return ["messages[].weight"] if given else []


def write(example: Example) -> Fields | Reject:
    """One conversation with the one response, or the preferred of several."""
    turns = whole(example)
    if isinstance(turns, str):
        return turned_away(example, turns)
    return {"messages": dicts(turns)}


FORMAT = Format(
    name="openai-chat",
    about="OpenAI's chat fine-tuning: messages, the last assistant turn of which is the response",
    reads=frozenset({"messages"}),
    holds=CONVERSATION,
    read=read,
    write=write,
    overlooks=overlooks,
    also=divided,
)
