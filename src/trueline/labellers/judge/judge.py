"""A model as a labeller.

Where the model gives log-likelihoods, the answer is the likeliest of those that the question
allows, with the probability that they imply.  Elsewhere the model writes its reason and then its
answers, several questions at once, as JSON where its server can be held to a schema; what cannot
be read is asked for once more and then `Unscored`, with the words kept.

A preference is asked in both orders; where the order decides, it is a tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from trueline.files.text import clean
from trueline.labellers.answer import NOT_ASKED, Answer, holds, settled
from trueline.labellers.judge import loglikelihood, parse
from trueline.labellers.judge.prompt import Template, fenced
from trueline.labellers.targets import About, targets
from trueline.models.contract import Completion, Fatal, Model, ModelError, Transient, Unsupported
from trueline.records import ids
from trueline.records.types import By, Example, Label, Message, Question, Sampling
from trueline.runs.stream import Patience

SAMPLING = Sampling(temperature=0.0, max_tokens=1024)
VERSION = 1
"""Of what a judge is shown and how its answers are read (here and in the modules beside it):
raise it when a message or an answer changes.  The templates' words are in the hash themselves."""


class Judge:
    """`model` answers questions about Examples, at temperature 0.

    With `write` it writes its reason and answers even where it gives likelihoods.  With `owes`, a
    call that failed for now raises Transient, for runs that ask again; else it is `Unscored`, as
    every other failure of the judge is.
    """

    def __init__(
        self,
        model: Model,
        name: str,
        *,
        template: Template | None = None,
        sampling: Sampling = SAMPLING,
        write: bool = False,
        owes: bool = False,
    ) -> None:
        self.model, self.template, self.sampling = model, template or Template(), sampling
        words = [self.template.source, loglikelihood.TEMPLATE]
        parts = ["judge", VERSION, model.identity, words, sampling, write]
        self.by = By("judge", name, ids.digest(parts))
        self._likely, self._owes = not write, owes
        self._schema: bool | None = None  # whether the server takes one, once that is known
        self._patience = Patience()

    async def label(self, example: Example, questions: Sequence[Question]) -> list[Label]:
        """Labels on the questions, each about each thing that it is about.

        A question whose `when` does not hold by this judge's own answers is not asked.  Questions
        about one thing go together; of those about a pair each goes alone, so that none colours
        another.
        """
        together = [[q for q in questions if q.about == about] for about in ("prompt", "response")]
        apart = [[q] for q in questions if q.about == "pair"]
        found: list[Label] = []
        known: dict[About, dict[str, Answer]] = {}
        for group in filter(None, together + apart):
            for about in targets(example, group[0]):
                before = known.get((), {}) | known.get(about, {})
                left = [_left(question, before) for question in group if holds(question, before)]
                given = dict.fromkeys((question.id for question in group), NOT_ASKED)
                if left:
                    given |= await self._answers(example, about, left)
                known.setdefault(about, {}).update(given)
                found += [
                    ids.label(example, question, about, self.by, **given[question.id]._asdict())
                    for question in group
                    if given[question.id] != NOT_ASKED
                ]
        return found

    async def _answers(
        self, example: Example, about: About, questions: list[Question]
    ) -> dict[str, Answer]:
        """The answers by question; NOT_ASKED where, by the others, it was not to be."""
        try:
            given = await self._given(example, about, questions)
        except Fatal:
            raise
        except ModelError as error:
            if self._owes and isinstance(error, Transient):
                raise
            self._patience.failed(error)
            failed = Answer(unscored=f"the judge failed: {error}")
            return {question.id: failed for question in questions}
        self._patience.answered()
        return given

    async def _given(
        self, example: Example, about: About, questions: list[Question]
    ) -> dict[str, Answer]:
        if self._likely and all(question.kind != "number" for question in questions):
            try:
                return await loglikelihood.answers(self.model, example, about, questions)
            except Unsupported:
                self._likely = False
        if questions[0].kind != "preference":
            return await self._written(example, about, questions)
        [name] = [question.id for question in questions]
        orders = [
            (await self._written(example, order, questions))[name] for order in (about, about[::-1])
        ]
        return {name: settled(*orders)}

    async def _written(
        self, example: Example, about: About, questions: list[Question]
    ) -> dict[str, Answer]:
        text = fenced(example, about)
        system, user = (self.template.render(b, questions, text=text) for b in ("system", "user"))
        messages = [Message("system", system), Message("user", user)]
        first = await self._draw(messages, questions)
        given, wrong = parse.read(first, questions)
        if wrong:
            why = "; ".join(dict.fromkeys(wrong.values()))
            said = self.template.render("repair", questions, why=why)
            turns = [*messages, Message("assistant", first.text), Message("user", said)]
            second = await self._draw(turns, questions)
            given, wrong = parse.read(second, questions, given)
            kept = f"{first.text}\n---\n{second.text}"[: parse.KEPT]
            for name, reason in wrong.items():
                unread = f"the judge's answer cannot be read: {reason}"
                given[name] = Answer(unscored=unread, note=clean(kept))
        for question in questions:  # the second answer may have settled what others depend on
            if not holds(question, given):
                given[question.id] = NOT_ASKED
        return given

    async def _draw(self, messages: list[Message], questions: list[Question]) -> Completion:
        """What the judge writes, held to a schema where its server can."""
        if self._schema is False:
            [completion] = await self.model.generate(messages, self.sampling)
            return completion
        held = msgspec.structs.replace(self.sampling, schema=parse.schema(questions))
        try:
            [completion] = await self.model.generate(messages, held)
            self._schema = True
        except Unsupported:
            [completion] = await self.model.generate(messages, self.sampling)
            # Only now: a request that is refused either way says nothing of schemas.
            self._schema = self._schema or False
        return completion


def _left(question: Question, known: Mapping[str, Answer]) -> Question:
    """The question as it is asked of a judge that has answered those: without the conditions that
    are met."""
    when = {name: value for name, value in question.when.items() if name not in known}
    return msgspec.structs.replace(question, when=when)
