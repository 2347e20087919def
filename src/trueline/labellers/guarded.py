"""From an instrument to a labeller: its answers as labels, its failures as `Unscored`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from trueline.files.errors import InputError
from trueline.labellers.answer import NOT_ASKED, Answer, applies
from trueline.labellers.contract import Instrument
from trueline.labellers.targets import About, targets
from trueline.models.contract import Fatal, ModelError, Transient
from trueline.records.types import Example, Label, LabellerId, Question
from trueline.runs.breaker import CircuitBreaker
from trueline.runs.stage import Bound

Answers = Mapping[str, Answer]


class Guarded:
    """The Labeller that an instrument is.

    A question whose `when` does not hold by the instrument's own answers is not asked.  Questions
    about one thing go together; of those about a pair each goes alone, so that none colours
    another.

    A call that every further one would fail like (`Fatal`) ends the run, as do too many failures
    in a row.  With `retry_later`, for runs that ask again, a call that failed for now raises
    `Transient`.  Every other failed call leaves its questions `Unscored`.
    """

    def __init__(self, instrument: Instrument, retry_later: bool = False) -> None:
        self.instrument, self._retry_later = instrument, retry_later
        self._breaker = CircuitBreaker()

    @property
    def by(self) -> LabellerId:
        return self.instrument.by

    @property
    def parallel(self) -> int | None:
        return self.instrument.parallel

    @property
    def measured(self) -> bool:
        return self.instrument.measured

    def bound(self, questions: Sequence[Question]) -> Bound:
        return self.instrument.bound(questions)

    async def label(self, example: Example, questions: Sequence[Question]) -> list[Label]:
        """One Label for each question that applies and each thing that it is about; none for those
        of the Example's own that the instrument cannot answer."""
        questions = [q for q in questions if q not in example.questions or self._can_answer(q)]
        labels: list[Label] = []
        answers: dict[About, dict[str, Answer]] = {}
        for group in _groups(questions):
            things = targets(example, group[0])
            earlier = [answers.get((), {}) | answers.get(about, {}) for about in things]
            answering = [
                self._answer(example, about, group, before)
                for about, before in zip(things, earlier, strict=True)
            ]
            given: list[Answers | BaseException]
            if len(answering) == 1:  # the usual case, without a task of its own
                given = [await answering[0]]
            else:  # one that fails waits for the others: their calls are paid for
                given = await asyncio.gather(*answering, return_exceptions=True)
            for about, found in zip(things, given, strict=True):
                if isinstance(found, BaseException):
                    raise found
                answers.setdefault(about, {}).update(found)
                labels += [
                    Label.new(example, question, about, self.by, **found[question.id]._asdict())
                    for question in group
                    if found[question.id] != NOT_ASKED
                ]
        return labels

    def _can_answer(self, question: Question) -> bool:
        try:
            self.instrument.check_answerable([question])
        except InputError:
            return False
        return True

    async def _answer(
        self, example: Example, about: About, group: Sequence[Question], earlier: Answers
    ) -> Answers:
        """The answers of a group; NOT_ASKED for those that the others say are not to be asked."""
        answers: dict[str, Answer] = {}
        asked = []
        for question in group:
            if applies(question, {**earlier, **answers}):
                asked.append(_without_met(question, earlier))
            else:
                answers[question.id] = NOT_ASKED
        if asked:
            answers |= await self._attempt(example, about, asked)
        for question in asked:
            if not applies(question, answers):
                answers[question.id] = NOT_ASKED
        return answers

    async def _attempt(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> Answers:
        try:
            answers = await self.instrument.answer(example, about, questions)
        except Fatal:
            raise
        except ModelError as error:
            if self._retry_later and isinstance(error, Transient):
                raise
            self._breaker.record_failure(error)
            failed = Answer(unscored=f"the {self.instrument.noun} failed: {error}")
            return {question.id: failed for question in questions}
        self._breaker.record_success()
        for question in questions:
            if not isinstance(answers.get(question.id), Answer):
                raise TypeError(
                    f"{type(self.instrument).__qualname__}.answer gave "
                    f"{answers.get(question.id)!r} to {question.id!r}: it is to give an Answer to "
                    "each question"
                )
        return answers


def _groups(questions: Sequence[Question]) -> list[list[Question]]:
    """The questions that are asked together, those about the prompt first."""
    together = [[q for q in questions if q.about == about] for about in ("prompt", "response")]
    return [*filter(None, together), *([q] for q in questions if q.about == "pair")]


def _without_met(question: Question, answers: Answers) -> Question:
    """The question without the conditions that earlier answers meet."""
    when = {name: value for name, value in question.when.items() if name not in answers}
    return msgspec.structs.replace(question, when=when)
