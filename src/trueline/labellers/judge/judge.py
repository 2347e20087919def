"""A model as a labeller.

Where the model gives log-likelihoods, the answer is the likeliest of those that the question
allows, with the probability that they imply.  Elsewhere the model writes its reason and then its
answers, several questions at once, as JSON where its server can be held to a schema; what cannot
be read is asked for once more and then `Unscored`, with the words kept.

A preference is asked in both orders; where the order decides, it is a tie.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trueline.files.hashing import digest
from trueline.files.text import clean
from trueline.labellers.answer import Answer, merge_orders
from trueline.labellers.contract import Instrument
from trueline.labellers.judge import loglikelihood, parse
from trueline.labellers.judge.prompt import Template, fenced
from trueline.labellers.targets import About
from trueline.models.contract import Completion, Model, Unsupported
from trueline.records.types import Example, LabellerId, Message, Question, Sampling
from trueline.runs.stage import Bound

SAMPLING = Sampling(temperature=0.0, max_tokens=1024)
VERSION = 1
"""Of what a judge is shown and how its answers are read (here and in the modules beside it):
raise it when a message or an answer changes.  The templates' words are in the hash themselves."""


class Judge(Instrument):
    """`model` answers questions about Examples, at temperature 0.

    With `write` it writes its reason and answers even if it gives likelihoods.
    """

    noun = "judge"

    def __init__(
        self,
        model: Model,
        name: str,
        *,
        template: Template | None = None,
        sampling: Sampling = SAMPLING,
        write: bool = False,
    ) -> None:
        self.model, self.template, self.sampling = model, template or Template(), sampling
        words = [self.template.source, loglikelihood.TEMPLATE]
        parts = ["judge", VERSION, model.identity, words, sampling, write]
        self.by = LabellerId("judge", name, digest(parts), VERSION)
        self._likely = not write
        self._schema: bool | None = None  # whether the server takes one, once that is known

    def bound(self, questions: Sequence[Question]) -> Bound:
        """The dearer of the two ways: questions about a pair go one by one, others together."""
        if questions[0].about == "pair":
            return sum((self._bound([question]) for question in questions), Bound())
        return self._bound(questions)

    def _bound(self, together: Sequence[Question]) -> Bound:
        # The answer and its repair, of a preference in both orders.
        written = 4 if together[0].kind == "preference" else 2
        calls = max(written, loglikelihood.count_calls(together) if self._likely else 0)
        return Bound(calls, written * (self.sampling.max_tokens or 0))

    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> dict[str, Answer]:
        if self._likely and all(question.kind != "number" for question in questions):
            try:
                return await loglikelihood.answers(self.model, example, about, questions)
            except Unsupported:
                self._likely = False
        if questions[0].kind != "preference":
            return await self._write(example, about, questions)
        [name] = [question.id for question in questions]
        orders = [
            (await self._write(example, order, questions))[name] for order in (about, about[::-1])
        ]
        return {name: merge_orders(*orders)}

    async def _write(
        self, example: Example, about: About, questions: Sequence[Question]
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
        return given

    async def _draw(self, messages: list[Message], questions: Sequence[Question]) -> Completion:
        """What the judge writes, held to a schema if its server can."""
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
