"""A choice between options: the one to which the model gives the highest likelihood or, if it
gives none, the one that it writes.

The response is the chosen option; with likelihoods, the options stand as candidates with theirs, so
that the choice can be made again by another rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase

import msgspec

from trueline.evaluate.asking import AskSettings
from trueline.files.errors import InputError
from trueline.models.contract import Model, Unsupported, response
from trueline.models.roles import Role
from trueline.records.types import Candidate, Choice, Example, Message, Response, with_responses
from trueline.runs.stage import Bound

SCALE = "log-likelihood in nats"
_ASK = "Answer with the letter of the right option, and nothing else."


async def ask(models: Mapping[Role, Model], example: Example, settings: AskSettings) -> Example:
    """The example with the option that the model chose."""
    model, task = models["target"], example.task
    assert isinstance(task, Choice)
    if settings.written:
        drawn = await model.generate(
            list_options(example.prompt, task.options, _ASK), settings.sampling, n=settings.repeats
        )
        responses = (response(model, settings.sampling, completion) for completion in drawn)
        return with_responses(example, *responses)
    prompt, texts = example.prompt, task.options
    if settings.spec.listed:
        prompt = list_options(prompt, task.options)
        texts = tuple(ascii_uppercase[: len(task.options)])
    try:
        loglikelihoods = await model.loglikelihood(prompt, texts)
    except Unsupported:
        raise InputError(
            "this model gives no likelihoods, by which choices are made: run it here, or say "
            "--choice written, which is another measure"
        ) from None
    weights = [
        nats / len(text.encode()) if settings.spec.normalise == "bytes" else nats
        for nats, text in zip(loglikelihoods, texts, strict=True)
    ]
    best = task.options[weights.index(max(weights))]
    chosen = Response((Message("assistant", best),), model=model.identity, finish="chosen")
    candidates = tuple(
        Candidate(option, model.identity, nats, SCALE)
        for option, nats in zip(task.options, loglikelihoods, strict=True)
    )
    with_candidates = msgspec.structs.replace(example, candidates=example.candidates + candidates)
    return with_responses(with_candidates, chosen)


def list_options(
    prompt: Sequence[Message], options: Sequence[str], after: str = ""
) -> tuple[Message, ...]:
    """The conversation with the options under its last turn, a letter before each."""
    last = prompt[-1]
    lines = [
        f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)
    ]
    text = "\n\n".join(part for part in (last.content, "\n".join(lines), after) if part)
    return (*prompt[:-1], msgspec.structs.replace(last, content=text))


def bound(example: Example, settings: AskSettings) -> Bound:
    """The most calls and tokens: likelihoods of all options are one call."""
    return Bound(1, settings.spec.max_tokens) * settings.repeats if settings.written else Bound(1)
