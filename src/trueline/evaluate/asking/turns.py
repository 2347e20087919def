"""The user's turns are put one after the other, each behind the model's answers so far.

The example's prompt holds the turns of the user in their order, its responses those of the model.
"""

from __future__ import annotations

import asyncio

import msgspec

from trueline.evaluate.asking import How
from trueline.models.contract import Completion, Model, response
from trueline.records.types import Example, Message, Response, with_responses


async def ask(model: Model, example: Example, how: How) -> Example:
    """The example with a response of several messages for each repeat."""
    talks = (_talk(model, example, how, number) for number in range(how.repeats))
    return with_responses(example, *await asyncio.gather(*talks))


async def _talk(model: Model, example: Example, how: How, number: int) -> Response:
    said: list[Message] = []
    answers: list[Completion] = []
    for message in example.prompt:
        said.append(message)
        if message.role == "user":
            [answer] = await model.generate(said, how.sampling, first=number)
            answers.append(answer)
            said.append(answer.message)
    last = response(model, how.sampling, answers[-1])
    return msgspec.structs.replace(last, messages=tuple(answer.message for answer in answers))
