"""TRL's prompt-only data: what a model is asked in online training."""

from __future__ import annotations

from trueline.files.rows import Row
from trueline.formats import CONVERSATION, Fields, Format, bad_row, turned_away
from trueline.records.conversation import Malformed, dicts, messages
from trueline.records.types import Example, Reject, Source


def read(row: Row, occurrence: int) -> Example | Reject:
    """A text or a list of messages; the Example has no response."""
    row.text("prompt")  # no such column: the file is of another format
    try:
        prompt = messages(row.fields["prompt"], "user", "prompt")
    except Malformed as error:
        return bad_row(row, str(error))
    return Example.new(prompt, source=Source(row.file.name, row=row.number), occurrence=occurrence)


def write(example: Example) -> Fields | Reject:
    """The prompt as a list of messages."""
    if not example.prompt:
        return turned_away(example, "there is no prompt")
    return {"prompt": dicts(example.prompt)}


FORMAT = Format(
    name="trl-prompt-only",
    about="TRL, for online training: prompt, as a text or a list of messages",
    reads=frozenset({"prompt"}),
    holds=CONVERSATION - {"responses"},
    read=read,
    write=write,
)
