"""Whether a response begins with an accepted answer."""

from __future__ import annotations

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no, quote, wrong_task
from trueline.records.types import Reference, Task

QUESTION = "correct"
VERSION = 1


def check(task: Task, text: str) -> Answer:
    if not isinstance(task, Reference):
        return wrong_task(task, "Reference")
    if text.startswith(task.answers):
        return Answer(True)
    return no(f"it begins with {quote(text)}")
