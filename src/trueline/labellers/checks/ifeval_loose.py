"""Whether some form of a response follows each instruction of IFEval's kind (loose).

The forms are those of the paper (Zhou et al., arXiv 2311.07911, section 2.2): the response as it
stands, without its first line ("Sure, here it is:"), without its last, without both, and each of
these without the asterisks of Markdown.  An upper bound, where `ifeval` is the lower.
"""

from __future__ import annotations

from trueline.labellers.answer import Answer
from trueline.labellers.checks.ifeval import PACKAGES as PACKAGES
from trueline.labellers.checks.ifeval import followed
from trueline.records.types import Task

QUESTION = "constraints_met"
VERSION = 1


def check(task: Task, text: str) -> Answer:
    """Yes where each rule of the task is followed by some form of the response."""
    return followed(task, forms(text))


def forms(text: str) -> list[str]:
    """The response in the eight forms, the plain one first, each once."""
    lines = text.split("\n")
    kept = [text, *("\n".join(some).strip() for some in (lines[1:], lines[:-1], lines[1:-1]))]
    return list(dict.fromkeys([*kept, *(form.replace("*", "") for form in kept)]))
