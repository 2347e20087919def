"""What a labeller is, and the smaller thing that most of them are written as.

`Labeller` is what a run works with; it comes from `registry.open_labeller`.  A kind is written as
an `Instrument`, which answers about one thing at a time; `guarded.Guarded` makes a Labeller of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from trueline.labellers.answer import Answer
from trueline.labellers.targets import About
from trueline.records.types import Example, Label, LabellerId, Question
from trueline.runs.stage import Bound


class Labeller(Protocol):
    """Anything that answers questions about Examples: a judge, code, a classifier, a person.

    `by` names it and carries its instrument hash.  `parallel` is how many Examples are worth
    having under way (None: no limit of its own).  `measured` is whether an agreement card is to
    say how far it errs; code is right by its tests.  A failure of the instrument is a Label with
    `unscored`, never a verdict; a failure of what is judged is an answer.
    """

    @property
    def by(self) -> LabellerId: ...

    @property
    def parallel(self) -> int | None: ...

    @property
    def measured(self) -> bool: ...

    def bound(self, questions: Sequence[Question]) -> Bound:
        """What it could cost to ask these questions, all about the same one thing."""
        ...

    async def label(self, example: Example, questions: Sequence[Question]) -> list[Label]:
        """One Label for each question and each thing that the question is about."""
        ...


class Instrument(ABC):
    """What answers questions about one thing: how a kind of labeller is written.

    Everything else is done for it: which questions apply, the labels, failed calls.  A kind is one
    file in `labellers/kinds/`, or a plug-in file, here `length.py` (the file's name is the prefix):

        \"\"\"A response is long if it has at least as many words as the name says.\"\"\"
        from contextlib import asynccontextmanager
        from trueline.files.errors import InputError
        from trueline.files.hashing import digest
        from trueline.labellers.answer import Answer
        from trueline.labellers.contract import Instrument
        from trueline.records.types import LabellerId

        FORM = "length:WORDS"
        HELP = "whether a response has at least so many words"
        VERSION = 1

        class Length(Instrument):
            noun, measured = "word count", False

            def __init__(self, words):
                self.words = words
                instrument = digest(["length", VERSION, words])
                self.by = LabellerId("grader", f"length:{words}", instrument, VERSION)

            def check_answerable(self, questions):
                for question in questions:
                    if (question.about, question.kind) != ("response", "yes-no"):
                        raise InputError(f"length: {question.id!r} is no yes or no of a response")

            async def answer(self, example, about, questions):
                count = len(example.responses[about[0]].text.split())
                return {q.id: Answer(count >= self.words, note=f"{count} words") for q in questions}

        @asynccontextmanager
        async def open_labeller(rest, context):
            if not rest.isdecimal():
                raise InputError(f"length:{rest}: write length:WORDS, as length:20")
            yield Length(int(rest))
    """

    by: LabellerId
    noun: str = "labeller"
    """What a failed call is said to be of: "the judge failed: …"."""
    parallel: int | None = None
    measured: bool = True

    def bound(self, questions: Sequence[Question]) -> Bound:
        """See `Labeller.bound`; nothing, unless it calls models."""
        return Bound()

    def check_answerable(self, questions: Sequence[Question]) -> None:  # noqa: B027
        """Raises InputError for a question that it cannot answer; by default it answers all.

        It is called when the labeller is opened, before a run begins.  An Example's own questions
        that it cannot answer are not asked of it: others may.
        """

    @abstractmethod
    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> Mapping[str, Answer]:
        """The answers by question, all about the thing `about`: the prompt, a response, a pair.

        `when` of a question has only conditions on others that are asked with it.  Answers to
        questions that were not asked do no harm: others may depend on them.  Raises ModelError if
        a call failed, InputError for a question that it cannot answer.
        """


def bound_questions(
    labeller: Labeller, questions: Sequence[Question], *, prompts: int, responses: int
) -> Bound:
    """What it could cost to ask the questions of an Example of that many prompts (0 or 1) and
    responses."""
    things = {
        "prompt": prompts,
        "response": responses,
        "pair": responses * (responses - 1) // 2,
    }
    bound = Bound()
    for about, count in things.items():
        if together := [question for question in questions if question.about == about]:
            bound += labeller.bound(together) * count
    return bound
