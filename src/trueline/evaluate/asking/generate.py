"""The model answers the conversation, once for each repeat."""

from __future__ import annotations

from collections.abc import Mapping

from trueline.evaluate.asking import AskSettings
from trueline.models.contract import Model, response
from trueline.models.roles import Role
from trueline.records.types import Example, with_responses
from trueline.runs.stage import Bound


async def ask(models: Mapping[Role, Model], example: Example, settings: AskSettings) -> Example:
    """The example with a response for each repeat."""
    target = models["target"]
    drawn = await target.generate(example.prompt, settings.sampling, n=settings.repeats)
    responses = (response(target, settings.sampling, completion) for completion in drawn)
    return with_responses(example, *responses)


def bound(example: Example, settings: AskSettings) -> Bound:
    """The most calls and tokens: one answer a repeat."""
    return Bound(1, settings.spec.max_tokens) * settings.repeats
