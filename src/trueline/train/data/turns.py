"""Example → the conversations that a method trains on; or the reason why there are none."""

from __future__ import annotations

from typing import NamedTuple

from trueline.policy.values import find_preference
from trueline.records.types import Example, Message, Response, Unscored

Turns = tuple[Message, ...]


class Completion(NamedTuple):
    """A conversation and what the model is to say next."""

    prompt: Turns
    answer: Turns


class Preference(NamedTuple):
    """A conversation, and the better and the worse thing to say next."""

    prompt: Turns
    chosen: Turns
    rejected: Turns


def extract_completion(example: Example, index: int | None = None) -> Completion | str:
    """The prompt and the response to learn: number `index` if given, else the preferred one,
    else the only one."""
    if index is not None:
        if index >= len(example.responses):
            return f"no response number {index}"
        return _completion(example, example.responses[index])
    order = find_preference(example)
    if not isinstance(order, Unscored):
        return _completion(example, example.responses[order[0]])
    if len(example.responses) == 1:
        return _completion(example, example.responses[0])
    return f"several responses, and {order.reason}" if example.responses else "no response"


def extract_instruction(example: Example, index: int | None = None) -> Completion | str:
    """The response's text as the user's turn, and as the assistant's the instruction: the last
    user turn of the prompt."""
    completion = extract_completion(example, index)
    if isinstance(completion, str):
        return completion
    requests = [m.content.strip() for m in completion.prompt if m.role == "user"]
    if not requests or not requests[-1]:
        return "no instruction"
    text = Response(completion.answer).text
    return Completion((Message("user", text),), (Message("assistant", requests[-1]),))


def extract_pair(example: Example) -> Preference | str:
    """The prompt with the chosen and the rejected response."""
    order = find_preference(example)
    if isinstance(order, Unscored):
        return order.reason
    chosen, rejected = (_completion(example, example.responses[i]) for i in order)
    for completion in (chosen, rejected):
        if isinstance(completion, str):
            return completion
        if len(completion.answer) > 1:
            return "a response of several turns"
    assert not isinstance(chosen, str) and not isinstance(rejected, str)
    if chosen.answer == rejected.answer:
        return "chosen and rejected are the same"
    return Preference(chosen.prompt, chosen.answer, rejected.answer)


def _completion(example: Example, response: Response) -> Completion | str:
    if not example.prompt:
        return "no prompt"
    if not response.messages or response.messages[-1].role != "assistant":
        return "the response does not end with the assistant"
    if not response.text.strip() and not response.messages[-1].tool_calls:
        return "a blank response"
    return Completion(example.prompt, response.messages)
