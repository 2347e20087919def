"""Whole conversations in one cell, as the chat formats hold them: the last turn is the response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.files.rows import Row
from trueline.formats.contract import CannotWrite
from trueline.policy.values import find_preference
from trueline.records.conversation import Malformed, Turns, unpack_cell
from trueline.records.types import Example, Message, Response, Unscored


def read_cell(row: Row, column: str, what: str) -> list[Any]:
    """The list in a cell, which tables hold as JSON.  Raises NoColumn, and Malformed if there is
    none; `what` is what it should be a list of."""
    turns = unpack_cell(row.value(column))
    if not isinstance(turns, list):
        is_blank = turns is None or turns == ""
        raise Malformed(f"{column} is {'blank' if is_blank else f'no list of {what}'}")
    return turns


def split_conversation(turns: Sequence[Message]) -> tuple[Turns, tuple[Response, ...]]:
    """A whole conversation as a prompt and its response: the last turn, if the assistant speaks it.

    Raises Malformed if there is nothing to answer or no answer in it.
    """
    for at, turn in enumerate(turns):
        is_last = at == len(turns) - 1
        if (turn.role == "user" or (turn.role == "assistant" and is_last)) and not (
            turn.content.strip() or turn.tool_calls
        ):
            raise Malformed(f"turn {at + 1} ({turn.role}) is blank")
    if not turns:
        raise Malformed("the conversation is blank: it has no turns")
    if turns[-1].role == "assistant":
        return tuple(turns[:-1]), (Response((turns[-1],)),)
    return tuple(turns), ()


def write_conversation(example: Example) -> Turns:
    """The prompt with the one response, or with the preferred of several.  Raises CannotWrite."""
    if not example.responses:
        if not example.prompt:
            raise CannotWrite("there is neither a prompt nor a response")
        return example.prompt
    order = find_preference(example) if len(example.responses) > 1 else (0, 0)
    if isinstance(order, Unscored):
        raise CannotWrite(f"several responses, and {order.reason}")
    response = example.responses[order[0]].messages
    if not response or response[-1].role != "assistant":
        raise CannotWrite("the response does not end with the assistant")
    return example.prompt + response
