"""TRL's preference data: prompt, chosen and rejected, or chosen and rejected with one beginning."""

from __future__ import annotations

from typing import Any

from trueline.files.rows import Row
from trueline.formats import CONVERSATION, Format, bad_row, turned_away
from trueline.records.conversation import Malformed, dicts, messages
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

_by = LabellerId("imported", "trl-preference")
Turns = tuple[Message, ...]


def read(row: Row, occurrence: int) -> Example | Reject:
    """Texts or lists of messages; without a prompt, the turns that chosen and rejected share."""
    row.text("chosen"), row.text("rejected")  # no such column: the file is of another format
    try:
        prompt, chosen, rejected = _parts(row.fields)
    except Malformed as error:
        return bad_row(row, str(error))
    example = Example.new(
        prompt,
        [Response(chosen), Response(rejected)],
        source=Source(row.file.name, row=row.number),
        occurrence=occurrence,
    )
    return with_labels(example, preference_label(example, 0, 1, _by))


def _parts(fields: dict[str, Any]) -> tuple[Turns, Turns, Turns]:
    chosen = messages(fields["chosen"], "assistant", "chosen")
    rejected = messages(fields["rejected"], "assistant", "rejected")
    if fields.get("prompt") is None:
        shared = next(
            (at for at, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b),
            min(len(chosen), len(rejected)),
        )
        prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
        if not prompt:
            raise Malformed("there is no prompt, and chosen and rejected share no first turns")
    else:
        prompt = messages(fields["prompt"], "user", "prompt")
    if chosen == rejected:
        raise Malformed("chosen and rejected are the same")
    for name, turns in (("chosen", chosen), ("rejected", rejected)):
        if not any(turn.content.strip() or turn.tool_calls for turn in turns):
            raise Malformed(f"{name} is blank")
    return prompt, chosen, rejected


def write(example: Example) -> dict[str, Any] | Reject:
    """One row with an explicit prompt, as lists of messages; the preference must be decided."""
    order = decided(example)
    if isinstance(order, str):
        return turned_away(example, order)
    if not example.prompt:
        return turned_away(example, "there is no prompt")
    chosen, rejected = (dicts(example.responses[i].messages) for i in order)
    return {"prompt": dicts(example.prompt), "chosen": chosen, "rejected": rejected}


FORMAT = Format(
    name="trl-preference",
    about="prompt (or none), chosen, rejected, as texts or lists of messages",
    reads=frozenset({"prompt", "chosen", "rejected"}),
    holds=CONVERSATION,
    answers=frozenset({PREFERRED.id}),
    read=read,
    write=write,
)
