"""The contract of an outside format, and what its files share.

A format is a file of `kinds`, or a file of your own, that defines `FORMAT`.  All of one, for tables
with a question and its answer:

    from trueline.formats.contract import Fields, Format, new_example, single_user_turn
    from trueline.records.types import Example, Message, Response

    def read(row, occurrence: int) -> Example:
        question, answer = row.text("question"), row.text("answer")
        said = [Response((Message("assistant", answer),))]
        return new_example(row, occurrence, [Message("user", question)], said)

    def write(example: Example) -> Fields:
        return {"question": single_user_turn(example), "answer": example.responses[0].text}

    FORMAT = Format("question and answer, a row each", read, write)

`trueline convert --from NAME` and `--to NAME` then know it by the name of its file.  What it loses
is not stated: it is found by reading back what was written (`losses`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.rows import Row
from trueline.policy.preference import PREFERRED, preference_label
from trueline.policy.values import find_preference
from trueline.records.conversation import Malformed
from trueline.records.store.validate import new_reject, reject_example
from trueline.records.types import (
    Example,
    LabellerId,
    Message,
    Question,
    Reject,
    Response,
    Source,
    Unscored,
    with_labels,
)

Fields = dict[str, Any]
"""A row of an outside format, by column."""

ColumnMapping = Mapping[str, Sequence[str]]
"""From the names of parts ("prompt", "response", "tag:lang", …) to the user's columns."""

Questions = Mapping[str, Question]
"""The questions to which labels of the user's own table are held, by id: those of the policy."""


class CannotWrite(ValueError):
    """An Example that a format cannot hold; the message says why."""


class Format(Struct, frozen=True):
    """An outside format.

    `read` makes an Example of a row; its second argument is the Example's occurrence number.  It
    raises Malformed for a row that says nothing, and `Row.text` raises NoColumn for a column that
    is not there.  `write` makes a row of an Example, or several, and raises CannotWrite.

    `licence` is a note on the data that commonly comes in this format.  `unread_inside` names what
    `read` passes over inside deep cells; columns that it passes over are found without it.
    `with_mapping` is set by a format that must be told which column is which.
    """

    about: str
    read: Callable[[Row, int], Example]
    write: Callable[[Example], Fields | list[Fields]]
    licence: str | None = None
    unread_inside: Callable[[Row], Iterable[str]] | None = None
    with_mapping: Callable[[ColumnMapping, Questions], Format] | None = None

    def read_row(self, row: Row, occurrence: int = 0) -> Example | Reject:
        """The Example of a row, or why it has none.  Raises NoColumn."""
        try:
            return self.read(row, occurrence)
        except Malformed as error:
            return reject_row(row, str(error))

    def write_rows(self, example: Example) -> list[Fields] | Reject:
        """The rows that the Example becomes, or why it becomes none."""
        try:
            rows = self.write(example)
        except CannotWrite as error:
            return reject_example("write", str(error), example)
        return [rows] if isinstance(rows, dict) else rows


def reject_row(row: Row, reason: str) -> Reject:
    """The Reject of a row that a format cannot read."""
    raw = msgspec.json.encode(dict(row.fields), enc_hook=str).decode()
    return new_reject("read", reason, raw, row.file, row.number)


# ---- reading ---------------------------------------------------------------------------------


def new_example(
    row: Row,
    occurrence: int,
    prompt: Sequence[Message],
    responses: Sequence[Response] = (),
    tags: Sequence[str] = (),
    license: str | None = None,
) -> Example:
    """The Example of a row, with the row as its source."""
    return Example.new(
        prompt,
        responses,
        source=Source(row.file.name, license=license, row=row.number),
        tags=tags,
        occurrence=occurrence,
    )


def with_preference(
    example: Example, chosen: int, rejected: int, format: str, question: Question = PREFERRED
) -> Example:
    """The example with the label by which the data prefer response number `chosen`."""
    by = LabellerId("imported", format)
    return with_labels(example, preference_label(example, chosen, rejected, by, question))


# ---- writing ---------------------------------------------------------------------------------


def preferred_order(example: Example) -> tuple[int, int]:
    """The numbers of the chosen and the rejected response.  Raises CannotWrite."""
    order = find_preference(example)
    if isinstance(order, Unscored):
        raise CannotWrite(order.reason)
    return order


def full_prompt(example: Example) -> tuple[Message, ...]:
    """The prompt.  Raises CannotWrite if there is none."""
    if not example.prompt:
        raise CannotWrite("there is no prompt")
    return example.prompt


def without_system_turns(turns: Sequence[Message]) -> tuple[Message, ...]:
    """The turns of the conversation itself."""
    return tuple(turn for turn in turns if turn.role not in ("system", "developer"))


def single_user_turn(example: Example) -> str:
    """The text of a prompt of one user turn, system turns left aside.  Raises CannotWrite."""
    turns = without_system_turns(example.prompt)
    if [turn.role for turn in turns] != ["user"]:
        raise CannotWrite("the format holds prompts of one user turn")
    return turns[0].content


def single_turn(response: Response) -> str:
    """The text of a response of one turn of the assistant.  Raises CannotWrite."""
    if [turn.role for turn in response.messages] != ["assistant"]:
        raise CannotWrite("the format holds responses of one turn")
    return response.text
