"""Whether a response is one of the accepted answers, written alike (SQuAD's exact match).

Case, punctuation, the articles a, an and the, and white space do not count (Rajpurkar et al.,
arXiv 1606.05250); accents do.
"""

from __future__ import annotations

import unicodedata

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no, quote, wrong_task
from trueline.records.types import Reference, Task

QUESTION = "correct"
VERSION = 1

_ARTICLES = frozenset(("a", "an", "the"))


def normal(text: str) -> str:
    """The text in small letters, without punctuation and articles, one space between words.

    Signs (`+`, `$`, `°`) go with the punctuation.  A text of articles alone ("A", the vitamin)
    keeps them, for nothing else would be left.
    """
    low = unicodedata.normalize("NFC", text.casefold())
    words = "".join([c for c in low if unicodedata.category(c)[0] not in "PS"]).split()
    return " ".join([word for word in words if word not in _ARTICLES] or words)


def accepted(task: Task) -> list[str] | Answer:
    """The accepted answers of a task in their normal form, or why it cannot be judged by."""
    if not isinstance(task, Reference):
        return wrong_task(task, "Reference")
    found = [normal(answer) for answer in task.answers]
    for answer, form in zip(task.answers, found, strict=True):
        if not form:
            return Answer(unscored=f"the accepted answer {quote(answer)} has no word")
    return found or Answer(unscored="the task has no accepted answer")


def check(task: Task, text: str) -> Answer:
    """Yes where the normal forms are equal."""
    right = accepted(task)
    if isinstance(right, Answer):
        return right
    if normal(text) in right:
        return Answer(True)
    return no(f"it is {quote(text.strip())}" if text.strip() else "the response is empty")
