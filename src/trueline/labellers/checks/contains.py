"""Whether one of the accepted answers occurs in a response, in whole words.

Both are taken in the normal form of `exact`.  A response that names several answers, or denies
the right one, passes too: use it where responses are short.
"""

from __future__ import annotations

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no
from trueline.labellers.checks.exact import accepted, normal
from trueline.records.types import Task

QUESTION = "correct"
VERSION = 1


def check(task: Task, text: str) -> Answer:
    """Yes where an accepted answer's words stand in the response one after another."""
    right = accepted(task)
    if isinstance(right, Answer):
        return right
    said = f" {normal(text)} "
    if any(f" {answer} " in said for answer in right):
        return Answer(True)
    return no("it has no accepted answer" if text.strip() else "the response is empty")
