"""Whether a response gives the right number in GSM8K's form, `#### 18` (the strict reading).

The first number that stands right behind the mark counts, as GSM8K's authors read it (Cobbe et
al., arXiv 2110.14168); without one the answer is no, however right the working.
"""

from __future__ import annotations

import re

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no, quote
from trueline.labellers.checks.number import MARK, NUMBER, accepted, value
from trueline.records.types import Task

QUESTION = "correct"
VERSION = 1

_MARK = re.compile(re.escape(MARK) + r" ?")


def check(task: Task, text: str) -> Answer:
    """Yes where the number behind the first mark that has one equals an accepted one."""
    right = accepted(task)
    if isinstance(right, Answer):
        return right
    for mark in _MARK.finditer(text):
        if found := NUMBER.match(text, mark.end()):
            said = value(found)
            return Answer(True) if said in right else no(f"it gives {quote(f'{said:f}')}")
    return no(f"no number behind {MARK}" if text.strip() else "the response is empty")
