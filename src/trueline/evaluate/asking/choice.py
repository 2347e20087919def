"""A choice between options: the one to which the model gives the highest likelihood or, where it
gives none, the one that it writes.

The response is the chosen option; with likelihoods, the options stand as candidates with theirs, so
that the choice can be made again by another rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

import msgspec

from trueline.evaluate.asking import How
from trueline.files.errors import InputError
from trueline.models.contract import Model, Unsupported, response
from trueline.records.types import Candidate, Choice, Example, Message, Response, with_responses

SCALE = "log-likelihood in nats"
_ASK = "Answer with the letter of the right option, and nothing else."


async def ask(model: Model, example: Example, how: How) -> Example:
    """The example with the option that the model chose."""
    task = example.task
    assert isinstance(task, Choice)
    if how.written:
        drawn = await model.generate(
            listed(example.prompt, task.options, _ASK), how.sampling, n=how.repeats
        )
        return with_responses(example, *(response(model, how.sampling, one) for one in drawn))
    prompt, texts = example.prompt, task.options
    if how.ask.listed:
        prompt, texts = listed(prompt, task.options), tuple(ascii_uppercase[: len(task.options)])
    try:
        scores = await model.score(prompt, texts)
    except Unsupported:
        raise InputError(
            "this model gives no likelihoods, by which choices are made: run it here, or say "
            "--choice written, which is another measure"
        ) from None
    weighed = [
        score / len(text.encode()) if how.ask.normalise == "bytes" else score
        for score, text in zip(scores, texts, strict=True)
    ]
    best = task.options[weighed.index(max(weighed))]
    chosen = Response((Message("assistant", best),), model=model.identity, finish="chosen")
    candidates = tuple(
        Candidate(option, model.identity, score, SCALE)
        for option, score in zip(task.options, scores, strict=True)
    )
    weighed_too = msgspec.structs.replace(example, candidates=example.candidates + candidates)
    return with_responses(weighed_too, chosen)


def listed(
    prompt: Sequence[Message], options: Sequence[str], behind: str = ""
) -> tuple[Message, ...]:
    """The conversation with the options under its last turn, a letter before each."""
    last = prompt[-1]
    lines = [
        f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)
    ]
    text = "\n\n".join(part for part in (last.content, "\n".join(lines), behind) if part)
    return (*prompt[:-1], msgspec.structs.replace(last, content=text))
