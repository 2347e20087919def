"""A model as a labeller: yes-no questions about prompts.

Where the model gives log-likelihoods, the answer is read from those of "yes" and "no", with the
probability that they imply; elsewhere the model writes its answer and the first word decides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from trueline.flow.stream import Patience
from trueline.models.contract import Fatal, Model, ModelError, Unsupported
from trueline.records import ids
from trueline.records.errors import InputError
from trueline.records.types import By, Example, Label, Message, Question, Sampling

TEMPLATE = "{ask} Answer yes or no.\n\n<text>\n{text}\n</text>"
METHOD = "log-likelihood of yes and no, else the first word written"
SAMPLING = Sampling(temperature=0.0, max_tokens=8)
# "No, it is fine." is an answer; "No idea", "No-one" and "Yes and no" are not.
_FIRST = re.compile(r"\W*(yes|no) *(?:$|[^\w '’-])", re.IGNORECASE)
_FENCE = re.compile(r"<(\s*/?\s*text\s*)>", re.IGNORECASE)


class Judge:
    """`model` answers yes-no questions about prompts."""

    def __init__(self, model: Model, name: str) -> None:
        self.model = model
        instrument = ids.digest([model.identity, TEMPLATE, SAMPLING, _FIRST.pattern, METHOD])
        self.by = By("judge", name, instrument)
        self._patience = Patience()

    async def label(self, example: Example, questions: Sequence[Question]) -> list[Label]:
        """One Label a question; raises InputError for a kind that this judge cannot ask."""
        return [await self._answer(example, question) for question in questions]

    async def _answer(self, example: Example, question: Question) -> Label:
        askable(question)
        messages = [Message("user", TEMPLATE.format(ask=question.ask, text=fenced(example)))]
        try:
            try:
                yes, no = await self.model.score(messages, ["yes", "no"])
                probability = 1 / (1 + math.exp(min(no - yes, 700.0)))
                value: bool | None = None if math.isnan(probability) else yes > no
                said = f"no likelihood of yes or no: {yes} and {no}"
            except Unsupported:
                [completion] = await self.model.generate(messages, SAMPLING)
                found = _FIRST.match(completion.text)
                value, probability = (found[1].lower() == "yes" if found else None), None
                said = f"no yes or no in the judge's answer: {completion.text[:200]!r}"
        except Fatal:
            raise
        except ModelError as error:
            self._patience.failed(error)
            return ids.label(example, question, (), self.by, unscored=f"the judge failed: {error}")
        self._patience.answered()
        if value is None:
            return ids.label(example, question, (), self.by, unscored=said)
        return ids.label(example, question, (), self.by, value=value, probability=probability)


def askable(question: Question) -> None:
    """InputError for a question that this judge cannot answer."""
    if question.kind != "yes-no" or question.about != "prompt":
        raise InputError(
            f"question {question.id!r} is {question.kind} about the {question.about}; this "
            "judge answers yes-no questions about the prompt"
        )


def fenced(example: Example) -> str:
    """The prompt as the judge sees it: what is judged cannot close the fence around itself."""
    parts = [m.content if m.role == "user" else f"[{m.role}] {m.content}" for m in example.prompt]
    return _FENCE.sub(r"(\1)", "\n\n".join(parts))
