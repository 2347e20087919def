"""Rows of a guest's question and the house's answer."""

from __future__ import annotations

from trueline.files.rows import Row
from trueline.formats.contract import Fields, Format, new_example, single_user_turn
from trueline.records.types import Example, Message, Response


def read(row: Row, occurrence: int) -> Example:
    answer = Response((Message("assistant", row.text("house")),))
    return new_example(row, occurrence, [Message("user", row.text("guest"))], [answer])


def write(example: Example) -> Fields:
    return {"guest": single_user_turn(example), "house": example.responses[0].text}


FORMAT = Format("a guest's question and the house's answer, a row each", read, write)
