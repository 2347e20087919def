"""TRL's prompt-only data: what a model is asked in online training."""

from __future__ import annotations

from trueline.files.rows import Row
from trueline.formats.contract import Fields, Format, full_prompt, new_example
from trueline.records.conversation import read_messages, to_dicts
from trueline.records.types import Example


def read(row: Row, occurrence: int) -> Example:
    """A text or a list of messages; the Example has no response."""
    return new_example(row, occurrence, read_messages(row.value("prompt"), "user", "prompt"))


def write(example: Example) -> Fields:
    """The prompt as a list of messages."""
    return {"prompt": to_dicts(full_prompt(example))}


FORMAT = Format("TRL, for online training: prompt, as a text or a list of messages", read, write)
