"""What a question is about in an Example, and which questions go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from trueline.files.errors import InputError
from trueline.records.types import Example, Question

About = tuple[int, ...]


def targets(example: Example, question: Question) -> list[About]:
    """The things to ask about: the prompt `()` where there is one, each response `(i,)`, or each
    pair `(i, j)`."""
    if question.about == "prompt":
        return [()] if example.prompt else []
    numbers = range(len(example.responses))
    if question.about == "response":
        return [(i,) for i in numbers]
    return list(combinations(numbers, 2))


def with_parents(names: Sequence[str], questions: Mapping[str, Question]) -> list[Question]:
    """The named questions in the policy's order, with those that their `when` asks first.

    InputError for a name that the policy does not have.
    """
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in questions:
            known = ", ".join(questions)
            raise InputError(f"the policy has no question {name!r}; it has: {known}")
        if name not in wanted:
            wanted.add(name)
            left += questions[name].when
    return _parents_first([q for q in questions.values() if q.id in wanted])


def _parents_first(questions: list[Question]) -> list[Question]:
    found: dict[str, Question] = {}
    by_id = {question.id: question for question in questions}

    def place(question: Question) -> None:
        for parent in question.when:
            if parent in by_id and parent not in found:
                place(by_id[parent])
        found.setdefault(question.id, question)

    for question in questions:
        place(question)
    return list(found.values())
