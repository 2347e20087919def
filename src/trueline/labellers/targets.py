"""What a question is about in an Example, and which questions an Example is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.policy.check import question_problems
from trueline.policy.values import OWN
from trueline.records.types import Example, Question

About = tuple[int, ...]


class QuestionSet(Struct, frozen=True):
    """What a labeller is asked: questions of the policy, parents first; with `own`, of each Example
    also its own."""

    policy: tuple[Question, ...]
    own: bool = False


def targets(example: Example, question: Question) -> list[About]:
    """The things to ask about: the prompt `()` if there is one, each response `(i,)`, or each pair
    `(i, j)`."""
    if question.about == "prompt":
        return [()] if example.prompt else []
    numbers = range(len(example.responses))
    if question.about == "response":
        return [(i,) for i in numbers]
    return list(combinations(numbers, 2))


def select_questions(names: Sequence[str], policy: Mapping[str, Question]) -> QuestionSet:
    """The questions that are named; "own" names those of the Examples themselves.

    Raises InputError for a name that the policy does not have.
    """
    named = [name for name in names if name != OWN]
    return QuestionSet(tuple(with_parents(named, policy)), OWN in names)


def questions_of(example: Example, asked: QuestionSet) -> list[Question]:
    """The questions that this Example is asked, parents first.

    Raises InputError if one of its own is no question that can be asked, or has the id of another.
    """
    if not asked.own or not example.questions:
        return list(asked.policy)
    taken = {question.id for question in asked.policy}
    for question in example.questions:
        if question.id in taken:
            raise InputError(f"its own question {question.id!r} has the id of another one")
        for key, why in question_problems(question):
            raise InputError(f"its own question {question.id!r}, {key}: {why}")
        taken.add(question.id)
    return [*asked.policy, *_parents_first(example.questions)]


def with_parents(names: Sequence[str], questions: Mapping[str, Question]) -> list[Question]:
    """The named questions in the policy's order, with those that their `when` asks first.

    Raises InputError for a name that the policy does not have.
    """
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in questions:
            known = ", ".join(questions)
            raise InputError(
                f"the policy has no question {name!r}; it has: {known} (a question of your own "
                "comes with --policy FILE)"
            )
        if name not in wanted:
            wanted.add(name)
            left += questions[name].when
    return _parents_first([q for q in questions.values() if q.id in wanted])


def _parents_first(questions: Sequence[Question]) -> list[Question]:
    placed: dict[str, Question] = {}
    by_id = {question.id: question for question in questions}

    def place(question: Question, above: tuple[str, ...] = ()) -> None:
        for parent in question.when:
            if parent in by_id and parent not in placed and parent not in above:
                place(by_id[parent], (*above, question.id))
        placed.setdefault(question.id, question)

    for question in questions:
        place(question)
    return list(placed.values())
