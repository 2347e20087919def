"""Answers by likelihood: of those that a question allows, the one the model finds likeliest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_uppercase

from trueline.files.errors import InputError
from trueline.labellers.answer import NOT_ASKED, Answer, applies, merge_orders
from trueline.labellers.judge.prompt import fenced
from trueline.labellers.targets import About
from trueline.models.contract import Model
from trueline.records.types import Example, Message, Question, Value

# The bundled model was taught this shape, word for word.
TEMPLATE = "{ask} Answer {form}.\n\n<text>\n{text}\n</text>"
_SIDES = {"first": "the first response", "second": "the second response", "tie": "neither"}


async def answers(
    model: Model, example: Example, about: About, questions: Sequence[Question]
) -> dict[str, Answer]:
    """The answers by question, each with its probability among those allowed.

    A question whose condition does not hold by the answers before it is NOT_ASKED.  Raises
    Unsupported where the model gives no likelihoods.  Numbers cannot be asked for so.
    """
    given: dict[str, Answer] = {}
    for question in questions:
        if not applies(question, given):
            given[question.id] = NOT_ASKED
        elif question.kind == "preference":
            orders = [await _one(model, example, o, question) for o in (about, about[::-1])]
            given[question.id] = merge_orders(*orders)
        elif question.kind == "some-of":
            given[question.id] = await _some(model, example, about, question)
        else:
            given[question.id] = await _one(model, example, about, question)
    return given


def count_calls(questions: Sequence[Question]) -> int:
    """How many calls `answers` makes at most for questions about one thing; 0 if it answers none
    of them (numbers)."""
    if any(question.kind == "number" for question in questions):
        return 0
    orders = {"preference": 2}
    return sum(
        len(question.options) if question.kind == "some-of" else orders.get(question.kind, 1)
        for question in questions
    )


async def _one(model: Model, example: Example, about: About, question: Question) -> Answer:
    form, values = _allowed(question)
    return await _likeliest(model, f"{question.ask} Answer {form}.", fenced(example, about), values)


async def _some(model: Model, example: Example, about: About, question: Question) -> Answer:
    """Each option by itself; sure only as far as its least sure part."""
    text, chosen, sure = fenced(example, about), [], 1.0
    for option in question.options:
        ask = f"{question.ask} Is it {option}? Answer yes or no."
        part = await _likeliest(model, ask, text, {"yes": True, "no": False})
        if part.unscored is not None:
            return part
        if part.value:
            chosen.append(option)
        sure = min(sure, part.probability or 0.0)
    return Answer(tuple(chosen), probability=sure)


async def _likeliest(model: Model, ask: str, text: str, values: dict[str, Value]) -> Answer:
    said = TEMPLATE.partition("\n\n")[2].format(text=text)
    scores = await model.loglikelihood([Message("user", f"{ask}\n\n{said}")], list(values))
    if any(math.isnan(score) for score in scores) or max(scores) == -math.inf:
        return Answer(unscored=f"the judge gives no likelihood of {' or '.join(values)}")
    top = max(scores)
    whole = math.fsum(math.exp(score - top) for score in scores)
    best = scores.index(top)
    return Answer(list(values.values())[best], probability=1 / whole)


def _allowed(question: Question) -> tuple[str, dict[str, Value]]:
    """How the answer is asked for, and each way of giving it with its value."""
    if question.kind == "yes-no":
        return "yes or no", {"yes": True, "no": False}
    if question.kind == "scale":
        said: dict[str, Value] = {str(level): level for level in question.levels}
        return _either(said, {str(k): v for k, v in question.anchors.items()}), said
    meanings = _SIDES if question.kind == "preference" else dict.fromkeys(question.options, "")
    letters = dict(zip(ascii_uppercase, meanings, strict=False))
    if len(letters) < len(meanings):
        raise InputError(f"question {question.id!r} has more than {len(letters)} options")
    told = {
        letter: ": ".join(x for x in (name, question.anchors.get(name, meanings[name])) if x)
        for letter, name in letters.items()
    }
    return _either(letters, told), {**letters}


def _either(names: Sequence[str] | dict[str, Value] | dict[str, str], told: dict[str, str]) -> str:
    listed = list(names)
    either = f"{', '.join(listed[:-1])} or {listed[-1]}"
    lines = "".join(f"\n{name}: {told[name]}" for name in listed if told.get(name))
    return f"{either}{lines}"
