"""TRL's preference data: prompt, chosen and rejected, or chosen and rejected with one beginning."""

from __future__ import annotations

from typing import Any

from trueline.files.rows import Row
from trueline.formats.contract import (
    Fields,
    Format,
    full_prompt,
    new_example,
    preferred_order,
    with_preference,
)
from trueline.records.conversation import Malformed, Turns, read_messages, to_dicts
from trueline.records.types import Example, Response


def read(row: Row, occurrence: int) -> Example:
    """Texts or lists of messages; without a prompt, the turns that chosen and rejected share."""
    chosen, rejected = row.value("chosen"), row.value("rejected")
    prompt, *pair = _split(row.fields.get("prompt"), chosen, rejected)
    example = new_example(row, occurrence, prompt, [Response(turns) for turns in pair])
    return with_preference(example, 0, 1, "trl-preference")


def _split(prompt: Any, *pair: Any) -> tuple[Turns, Turns, Turns]:
    chosen, rejected = (
        read_messages(cell, "assistant", column)
        for cell, column in zip(pair, ("chosen", "rejected"), strict=True)
    )
    if prompt is not None:
        turns = read_messages(prompt, "user", "prompt")
    else:
        pairs = enumerate(zip(chosen, rejected, strict=False))
        shared = next((at for at, (a, b) in pairs if a != b), min(len(chosen), len(rejected)))
        turns, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
        if not turns:
            raise Malformed("there is no prompt, and chosen and rejected share no first turns")
    if chosen == rejected:
        raise Malformed("chosen and rejected are the same")
    for name, response in (("chosen", chosen), ("rejected", rejected)):
        if not any(turn.content.strip() or turn.tool_calls for turn in response):
            raise Malformed(f"{name} is blank")
    return turns, chosen, rejected


def write(example: Example) -> Fields:
    """One row with an explicit prompt, as lists of messages; the preference must be decided."""
    chosen, rejected = (to_dicts(example.responses[at].messages) for at in preferred_order(example))
    return {"prompt": to_dicts(full_prompt(example)), "chosen": chosen, "rejected": rejected}


FORMAT = Format("prompt (or none), chosen, rejected, as texts or lists of messages", read, write)
