"""Instruments with words of their own: what these say to the policy's questions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from trueline.files.errors import InputError
from trueline.labellers.answer import Answer
from trueline.records.types import Question


def check_answerable(who: str, answers: Collection[str], questions: Sequence[Question]) -> None:
    """Raises InputError for a question that the instrument has no words for."""
    for question in questions:
        if question.id not in answers:
            raise InputError(
                f"{who} does not answer {question.id!r}; it answers {', '.join(answers)}"
            )


def map_categories(question: Question, named: Mapping[str, tuple[str, ...]]) -> Answer:
    """The answer to a some-of question by the categories that an instrument named, each with those
    of the question that it stands for.

    One that stands for several counts as all of them, and the note says so: at least one holds.
    If none of those named has a counterpart, nothing is known to hold: no answer.
    """
    lost = ", ".join(name for name, ours in named.items() if not ours)
    wide = ", ".join(name for name, ours in named.items() if len(ours) > 1)
    held = {category for ours in named.values() for category in ours}
    if named and not held:
        return Answer(unscored=f"no counterpart in the policy: {lost}")
    notes = [f"no counterpart in the policy: {lost}"] if lost else []
    notes += [f"one or several of those that it stands for: {wide}"] if wide else []
    value = tuple(option for option in question.options if option in held)
    return Answer(value, note="; ".join(notes) or None)
