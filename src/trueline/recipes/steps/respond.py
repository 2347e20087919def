"""Respond: a model answers the prompt."""

from __future__ import annotations

from trueline.models.contract import response
from trueline.models.roles import Role
from trueline.records.types import Example, Message, Sampling, with_responses
from trueline.runs.context import RunContext
from trueline.runs.stage import Bound, Calls, Outcome, Rejected


def respond(
    context: RunContext,
    *,
    model: str,
    sampling: Sampling,
    system: str = "",
    role: Role = "expert",
) -> Calls:
    """Adds the model's answer to the prompt, with a system message if one is given.

    An answer that is blank, unfinished or withheld is kept in the rejects.
    """
    opened = context.model(model, role)
    first = (Message("system", system),) if system else ()

    async def step(example: Example) -> Outcome:
        [completion] = await opened.generate(first + example.prompt, sampling)
        example = with_responses(example, response(opened, sampling, completion))
        if not completion.text.strip():
            return Rejected(example, "blank answer")
        if completion.finish == "length":
            return Rejected(example, "unfinished", f"over {sampling.max_tokens} tokens")
        if completion.finish == "content_filter":
            return Rejected(example, "withheld", "the server's content filter cut it")
        return example

    return Calls(step, bounds={model: Bound(1, sampling.max_tokens or 0)})
