"""The user's turns are put one after the other, each after the model's answers so far.

The example's prompt holds the turns of the user in their order, its responses those of the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from trueline.evaluate.asking import AskSettings
from trueline.models.contract import Completion, Model, response
from trueline.models.roles import Role
from trueline.records.types import Example, Message, Response, with_responses
from trueline.runs.stage import Bound


async def ask(models: Mapping[Role, Model], example: Example, settings: AskSettings) -> Example:
    """The example with a response of several messages for each repeat."""
    target = models["target"]
    talks = (_talk(target, example, settings, number) for number in range(settings.repeats))
    return with_responses(example, *await asyncio.gather(*talks))


async def _talk(model: Model, example: Example, settings: AskSettings, number: int) -> Response:
    said: list[Message] = []
    answers: list[Completion] = []
    for message in example.prompt:
        said.append(message)
        if message.role == "user":
            [answer] = await model.generate(said, settings.sampling, first=number)
            answers.append(answer)
            said.append(answer.message)
    last = response(model, settings.sampling, answers[-1])
    return msgspec.structs.replace(last, messages=tuple(answer.message for answer in answers))


def bound(example: Example, settings: AskSettings) -> Bound:
    """The most calls and tokens: an answer to each turn of the user."""
    turns = sum(message.role == "user" for message in example.prompt)
    return Bound(1, settings.spec.max_tokens) * (turns * settings.repeats)
