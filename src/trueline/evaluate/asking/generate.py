"""The model answers the conversation, once for each repeat."""

from __future__ import annotations

from trueline.evaluate.asking import How
from trueline.models.contract import Model, response
from trueline.records.types import Example, with_responses


async def ask(model: Model, example: Example, how: How) -> Example:
    """The example with a response for each repeat."""
    drawn = await model.generate(example.prompt, how.sampling, n=how.repeats)
    return with_responses(example, *(response(model, how.sampling, one) for one in drawn))
