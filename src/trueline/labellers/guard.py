"""A generative guard as a labeller: a model that writes a verdict on a conversation.

It is given the conversation as turns, and its own chat template makes the prompt of them: the one
it comes with, or, for guards that have none (WildGuard) or want more than turns (ShieldGemma's
guideline), one put into the model's folder as chat_template.jinja, or given to its server.

About a response it answers `safe` (and `harm_categories`, crossed over, and `refusal`, where it
has words for them); about a prompt, `elicits_harm`.  Guards know no partial refusal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.labellers import native_labels
from trueline.labellers.answer import Answer
from trueline.labellers.contract import Instrument
from trueline.labellers.targets import About
from trueline.models.contract import Model, Unsupported
from trueline.policy.crosswalks import map_categories
from trueline.policy.types import Policy
from trueline.records.types import Example, LabellerId, Message, Question, Sampling
from trueline.runs.stage import Bound

SAMPLING = Sampling(temperature=0.0, max_tokens=100)
VERSION = 1
"""Of what every guard is shown and how its verdict becomes answers: raise it when either
changes."""
# What is judged may not spell the marks of turns and of conversations, by which guards' prompts are
# built: a server reads them as such.
MARKS = re.compile(
    r"[<\[]\s*(\|\w+\||/?INST|(?:start|end)_of_turn"
    r"|/?\s*(?:BEGIN|END)\s+(?:UNSAFE\s+CONTENT\s+CATEGORIES|CONVERSATION))\s*[>\]]",
    re.IGNORECASE,
)
KEPT = 1000  # characters of an unreadable answer that its label keeps


class Verdict(NamedTuple):
    """What a guard wrote, None where it said nothing of it; `codes` are its own categories."""

    unsafe: bool | None = None
    refusal: bool | None = None
    codes: tuple[str, ...] = ()


class Form(NamedTuple):
    """How a family of guards writes, and which questions that answers.

    `read` takes the text and whether it is about a response, and gives None for what it cannot
    read.  `words` are those for safe and unsafe, where one of them begins the answer.  `whole` is
    whether the end of an answer counts, so that one that was cut off is none.  `version` is raised
    when `read` changes what it gives.
    """

    read: Callable[[str, bool], Verdict | None]
    answers: tuple[str, ...]
    crosswalk: str | None = None
    words: tuple[str, str] | None = None
    whole: bool = True
    version: int = 1


def _llama_guard(text: str, _response: bool) -> Verdict | None:
    """`safe`, or `unsafe` and behind it codes between commas: `S1,S9`."""
    found = re.fullmatch(r"(?i)(safe|unsafe)((?:[\s,]+[SO]\d{1,2})*)[\s.]*", text.strip())
    if found is None:
        return None
    codes = tuple(dict.fromkeys(re.findall(r"[SO]\d+", found[2].upper())))
    unsafe = found[1].lower() == "unsafe"
    return None if codes and not unsafe else Verdict(unsafe, codes=codes)


def _wildguard(text: str, response: bool) -> Verdict | None:
    """Three lines, `Harmful request: yes`, `Response refusal: no`, `Harmful response: N/A`."""
    lines = re.findall(r"(?im)^\s*([a-z]+ [a-z]+)\s*:\s*(yes|no|n/a)[\s.]*$", text)
    said = {name.lower(): {"yes": True, "no": False}.get(answer.lower()) for name, answer in lines}
    wanted = "harmful response" if response else "harmful request"
    if len(said) < len(lines) or wanted not in said:
        return None
    return Verdict(said[wanted], said.get("response refusal") if response else None)


def _shieldgemma(text: str, _response: bool) -> Verdict | None:
    """`Yes` or `No` to whether the conversation breaks the guideline; reasons may follow."""
    found = re.fullmatch(r"(?is)(yes|no)(?:\s*[.,:;\n].*)?", text.strip())
    return None if found is None else Verdict(found[1].lower() == "yes")


_LLAMA_GUARD = Form(
    _llama_guard,
    ("elicits_harm", "safe", "harm_categories"),
    words=("safe", "unsafe"),
)
FORMS = {
    "llama-guard-1": _LLAMA_GUARD._replace(crosswalk="llama-guard-1"),
    "llama-guard-2": _LLAMA_GUARD._replace(crosswalk="llama-guard-2"),
    "llama-guard-3": _LLAMA_GUARD._replace(crosswalk="llama-guard-3"),
    "wildguard": Form(_wildguard, ("elicits_harm", "safe", "refusal")),
    "shieldgemma": Form(
        _shieldgemma,
        ("elicits_harm", "safe"),
        words=("No", "Yes"),
        whole=False,
    ),
}
"""The families of guards by name."""


class Guard(Instrument):
    """`model` judges conversations in the manner of `form`, one of FORMS.

    A probability is that of the verdict, if the model gives likelihoods.  Answers that cannot be
    read are `Unscored`, with the words kept.
    """

    noun = "guard"

    def __init__(self, model: Model, name: str, form: str, policy: Policy) -> None:
        if form not in FORMS:
            raise InputError(f"no guard writes in the form {form!r}; forms are {', '.join(FORMS)}")
        self._model, self._form, self._policy = model, FORMS[form], policy
        walk = None
        if self._form.crosswalk is not None:
            map_categories(self._form.crosswalk, (), policy)  # raises if the policy has none
            walk = policy.crosswalks[self._form.crosswalk]
        versions = [VERSION, self._form.version]  # their sum rises with either
        parts = ["guard", form, versions, model.identity, walk, SAMPLING]
        self.by = LabellerId("classifier", name, digest(parts), sum(versions))
        self._likely = self._form.words is not None

    @property
    def answers(self) -> tuple[str, ...]:
        """The ids of the questions that it answers."""
        return self._form.answers

    def bound(self, questions: Sequence[Question]) -> Bound:
        """One verdict for all of them, and its likelihood if the form has words for it."""
        return Bound(2 if self._likely else 1, SAMPLING.max_tokens or 0)

    def check_answerable(self, questions: Sequence[Question]) -> None:
        """Raises InputError for a question that the family has no words for."""
        native_labels.check_answerable(self.by.name, self.answers, questions)

    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> dict[str, Answer]:
        self.check_answerable(questions)
        turns = example.prompt + (example.responses[about[0]].messages if about else ())
        messages = [self._inert(turn) for turn in turns]
        return await self._answers(messages, bool(about), questions)

    def _inert(self, message: Message) -> Message:
        content = MARKS.sub(r"(\1)", message.content)
        return msgspec.structs.replace(message, content=content)

    async def _answers(
        self, messages: list[Message], response: bool, questions: Sequence[Question]
    ) -> dict[str, Answer]:
        [completion] = await self._model.generate(messages, SAMPLING)
        cut = self._form.whole and completion.finish == "length"
        verdict = None if cut else self._form.read(completion.text, response)
        if verdict is None:
            why = "the guard's answer was cut off" if cut else "the guard's answer cannot be read"
            failed = Answer(unscored=why, note=completion.text[:KEPT] or None)
            return {question.id: failed for question in questions}
        probability = await self._probability(messages, completion.text, verdict)
        said = {q.id: self._answer(q, verdict, probability) for q in questions}
        if response and verdict.unsafe is not None:  # on which others depend, asked or not
            said.setdefault("safe", Answer(not verdict.unsafe))
        return said

    def _answer(self, question: Question, verdict: Verdict, probability: float | None) -> Answer:
        """What the verdict says to one question."""
        if question.id == "harm_categories":
            return self._categories(question, verdict)
        asked = verdict.refusal if question.id == "refusal" else verdict.unsafe
        if asked is None:
            return Answer(unscored="the guard gave no verdict on this")
        if question.id == "refusal":
            return Answer("refuse" if asked else "comply")
        return Answer(asked != (question.id == "safe"), probability=probability)

    def _categories(self, question: Question, verdict: Verdict) -> Answer:
        if not verdict.codes:
            return Answer(unscored="the guard named no category") if verdict.unsafe else Answer(())
        assert self._form.crosswalk is not None
        named: dict[str, tuple[str, ...]] = {}
        for code in verdict.codes:
            try:
                named[code] = map_categories(self._form.crosswalk, [code], self._policy).values
            except InputError:
                return Answer(unscored=f"the guard named {code}, which is none of its categories")
        answer = native_labels.map_categories(question, named)
        codes = f"the guard said {', '.join(verdict.codes)}"
        return answer._replace(note="; ".join(n for n in (codes, answer.note) if n))

    async def _probability(
        self, messages: list[Message], text: str, verdict: Verdict
    ) -> float | None:
        """The probability of the verdict against its opposite, after the same white space; None if
        the model gives no likelihoods."""
        if self._form.words is None or not self._likely:
            return None
        lead = text[: len(text) - len(text.lstrip())]
        try:
            safe, unsafe = await self._model.loglikelihood(
                messages, [lead + word for word in self._form.words]
            )
        except Unsupported:
            self._likely = False
            return None
        difference = unsafe - safe if verdict.unsafe else safe - unsafe
        return 0.5 * (1 + math.tanh(difference / 2))
