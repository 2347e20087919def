"""OpenAI's chat fine-tuning data: a conversation a line, whose last assistant turn is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trueline.files.rows import Row
from trueline.formats.contract import Fields, Format, new_example
from trueline.formats.conversations import read_cell, split_conversation, write_conversation
from trueline.records.conversation import Malformed, read_message, to_dicts
from trueline.records.types import Example, Message


def read(row: Row, occurrence: int) -> Example:
    """The last assistant turn is the response, what came before it the prompt; a conversation that
    ends with another turn has no response.

    `weight` says which turns are to be learnt (1, or not given) or not (0).  Here the response is;
    so a conversation whose last turn has weight 0 is a Reject, and other weights are not read.
    """
    turns = read_cell(row, "messages", "messages")
    prompt, responses = split_conversation(list(_messages(turns)))
    if responses and _weight(turns[-1]) == 0:
        raise Malformed("the last turn has weight 0, so it is not to be learnt")
    return new_example(row, occurrence, prompt, responses)


def _messages(turns: list[Any]) -> Iterator[Message]:
    for at, turn in enumerate(turns):
        bare = turn
        if isinstance(turn, dict):
            bare = {key: value for key, value in turn.items() if key != "weight"}
        yield read_message(bare, f"messages[{at}]")


def _weight(turn: Any) -> Any:
    return turn.get("weight") if isinstance(turn, dict) else None


def unread_inside(row: Row) -> list[str]:
    """Weights, if a conversation gives any."""
    try:
        turns = read_cell(row, "messages", "messages")
    except Malformed:
        return []
    return ["messages[].weight"] if any(_weight(turn) is not None for turn in turns) else []


def write(example: Example) -> Fields:
    """One conversation with the one response, or the preferred of several."""
    return {"messages": to_dicts(write_conversation(example))}


FORMAT = Format(
    "OpenAI's chat fine-tuning: messages, the last assistant turn of which is the response",
    read,
    write,
    unread_inside=unread_inside,
)
