"""Whether the option that was chosen by its likelihood is the right one.

The runner scores every option and gives the likeliest as the response, word for word.
"""

from __future__ import annotations

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no, quote, wrong_task
from trueline.records.types import Choice, Task

QUESTION = "correct"
VERSION = 1
WRITTEN = "letter"
"""The check that reads a choice if it is written instead."""


def check(task: Task, text: str) -> Answer:
    """Yes where the response is the gold option's text; spaces around either do not count."""
    if not isinstance(task, Choice):
        return wrong_task(task, "Choice")
    if not 0 <= task.gold < len(task.options):
        return Answer(unscored=f"the task's gold option {task.gold} is not among its options")
    options = [option.strip() for option in task.options]
    chosen = text.strip()
    if chosen == options[task.gold]:
        return Answer(True)
    if not chosen:
        return no("the response is empty")
    return no(f"it is {quote(chosen)}" if chosen in options else "it is none of the options")
