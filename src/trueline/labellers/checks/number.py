"""Whether the last number in a response is the right one (GSM8K's flexible reading).

What comes before it does not count, nor does how it is written: `$1,250.00`, `1250` and `1250 %`
are one number.  A unit is the question's matter, so a percent sign is read past like a currency's.
`number-strict` asks for GSM8K's own form as well (Cobbe et al., arXiv 2110.14168).
"""

from __future__ import annotations

import re
from collections import deque
from decimal import Decimal

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no, quote, wrong_task
from trueline.records.types import Reference, Task

QUESTION = "correct"
VERSION = 1

MARK = "####"
"""Stands before the final answer in GSM8K's solutions."""

# A hyphen between two words or numbers is not a sign.  Commas only between groups of three digits.
NUMBER = re.compile(
    r"(?P<sign>(?<![\w.)])[-\u2212])?(?:[$€£¥₹] ?)?(?P<inner>(?<=[$€£¥₹])[-\u2212])?"
    r"(?P<value>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|(?<![\w.])\.[0-9]+)"
)


def value(found: re.Match[str]) -> Decimal:
    """The number that was found."""
    size = Decimal(found["value"].replace(",", ""))
    return -size if found["sign"] or found["inner"] else size


def last(text: str) -> Decimal | None:
    """The last number in a text."""
    found = deque(NUMBER.finditer(text), maxlen=1)
    return value(found[0]) if found else None


def accepted(task: Task) -> list[Decimal] | Answer:
    """The numbers of a task's accepted answers, or why it cannot be judged by.

    An answer may be a whole solution of GSM8K's, whose number stands behind the last mark.
    """
    if not isinstance(task, Reference):
        return wrong_task(task, "Reference")
    numbers = []
    for answer in task.answers:
        found = list(NUMBER.finditer(answer.rpartition(MARK)[2]))
        if len(found) != 1:
            return Answer(unscored=f"the accepted answer {quote(answer)} is not one number")
        numbers.append(value(found[0]))
    return numbers or Answer(unscored="the task has no accepted answer")


def check(task: Task, text: str) -> Answer:
    """Yes where the last number equals an accepted one: 18.0 is 18."""
    right = accepted(task)
    if isinstance(right, Answer):
        return right
    said = last(text)
    if said is None:
        return no("the response has no number" if text.strip() else "the response is empty")
    return Answer(True) if said in right else no(f"its last number is {quote(f'{said:f}')}")
