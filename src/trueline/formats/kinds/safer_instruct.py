"""The Safer-Instruct release (arXiv 2311.08685): an instruction with two answers in a table."""

from __future__ import annotations

from typing import Any

from trueline.files.rows import Row
from trueline.formats import Format, bad_row, turned_away
from trueline.records.preference import PREFERRED, decided, preference_label
from trueline.records.types import (
    Example,
    LabellerId,
    Message,
    Reject,
    Response,
    Source,
    with_labels,
)

_by = LabellerId("imported", "safer-instruct")


def read(row: Row, occurrence: int) -> Example | Reject:
    """Response 0 is the rejected text (the original), response 1 the chosen one (the expert's)."""
    instruction, rejected, chosen = (row.text(c) for c in ("instruction", "rejected", "chosen"))
    for name, text in (("instruction", instruction), ("rejected", rejected), ("chosen", chosen)):
        if not text.strip():
            return bad_row(row, f"{name} is blank")
    if rejected == chosen:
        return bad_row(row, "chosen and rejected are the same text")
    label = row.text("label").strip()
    example = Example.new(
        [Message("user", instruction)],
        [Response((Message("assistant", text),)) for text in (rejected, chosen)],
        source=Source(row.file.name, row=row.number),
        tags=[f"domain:{label}"] if label else [],
        occurrence=occurrence,
    )
    return with_labels(example, preference_label(example, 1, 0, _by))


def write(example: Example) -> dict[str, Any] | Reject:
    """One row; the prompt must have exactly one user turn and the preference be decided."""
    order = decided(example)
    if isinstance(order, str):
        return turned_away(example, order)
    asked = [m for m in example.prompt if m.role not in ("system", "developer")]
    if [m.role for m in asked] != ["user"]:
        return turned_away(example, "safer-instruct holds prompts of one user turn")
    chosen, rejected = (example.responses[i] for i in order)
    if len(chosen.messages) != 1 or len(rejected.messages) != 1:
        return turned_away(example, "safer-instruct holds responses of one turn")
    return {
        "instruction": asked[0].content,
        "rejected": rejected.text,
        "chosen": chosen.text,
        "label": example.tag("domain") or "",
    }


FORMAT = Format(
    name="safer-instruct",
    about="instruction, rejected, chosen, label: the columns of the Safer-Instruct release",
    reads=frozenset({"instruction", "rejected", "chosen", "label"}),
    holds=frozenset({"prompt", "responses"}),
    answers=frozenset({PREFERRED.id}),
    tags=frozenset({"domain"}),
    read=read,
    write=write,
    licence="the released data names no licence",
)
