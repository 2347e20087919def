"""The Safer-Instruct release (arXiv 2311.08685): an instruction with two answers in a table."""

from __future__ import annotations

from trueline.files.rows import Row
from trueline.formats import cells
from trueline.formats.contract import (
    Fields,
    Format,
    new_example,
    preferred_order,
    single_turn,
    single_user_turn,
    with_preference,
)
from trueline.records.conversation import Malformed
from trueline.records.types import Example, Message, Response


def read(row: Row, occurrence: int) -> Example:
    """Response 0 is the rejected text (the original), response 1 the chosen one (the expert's)."""
    texts = {column: row.text(column) for column in ("instruction", "rejected", "chosen")}
    label = row.text("label").strip()
    instruction, *pair = (cells.text(text, column) for column, text in texts.items())
    if pair[0] == pair[1]:
        raise Malformed("chosen and rejected are the same text")
    example = new_example(
        row,
        occurrence,
        [Message("user", instruction)],
        [Response((Message("assistant", text),)) for text in pair],
        tags=[f"domain:{label}"] if label else [],
    )
    return with_preference(example, 1, 0, "safer-instruct")


def write(example: Example) -> Fields:
    """One row; the prompt must have exactly one user turn and the preference be decided."""
    chosen, rejected = (example.responses[at] for at in preferred_order(example))
    return {
        "instruction": single_user_turn(example),
        "rejected": single_turn(rejected),
        "chosen": single_turn(chosen),
        "label": example.tag("domain") or "",
    }


FORMAT = Format(
    "instruction, rejected, chosen, label: the columns of the Safer-Instruct release",
    read,
    write,
    licence="the released data names no licence",
)
