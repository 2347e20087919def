"""Rewards: what a labeller says of a completion, made a number by a value rule."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from trueline.labellers.contract import Labeller
from trueline.labellers.targets import questions_of, select_questions
from trueline.policy.types import Policy
from trueline.policy.values import Labels, NumberRule, Threshold, number_of
from trueline.records.conversation import read_messages
from trueline.records.types import Example, Message, Response, Unscored, with_labels

Turns = str | list[dict[str, object]]
"""A text, or a conversation as trainers hold it: objects of `role` and `content`."""


class RewardFunction(Protocol):
    """A reward function as TRL's GRPOTrainer takes it, asynchronous: a number for each completion,
    None if the reward does not apply to it or could not be had."""

    __name__: str

    async def __call__(
        self,
        prompts: Sequence[Turns],
        completions: Sequence[Turns],
        example: Sequence[str | None] | None = None,
        **columns: object,
    ) -> list[float | None]: ...


def reward_function(
    labeller: Labeller,
    rule: NumberRule | Threshold,
    policy: Policy,
    questions: Sequence[str],
    *,
    timeout_s: float = 600.0,
) -> RewardFunction:
    """The reward of a completion: `labeller` answers the questions about it, `rule` makes them a
    number.

    `questions` are ids of the policy, and `own` for those of the Example.  A column `example`
    holds each row's Example as JSON: its own questions and its task go to the labeller, and its
    responses and labels do not.  The reward is None if the rule finds no value: there is no such
    question or task, the instrument failed, or it took longer than `timeout_s` seconds.  An empty
    completion is judged, not left out.

    Raises InputError if the policy has no question of such a name.
    """
    asked = select_questions(questions, policy)

    async def score(example: Example) -> float | None:
        try:
            async with asyncio.timeout(timeout_s):
                labels = await labeller.label(example, questions_of(example, asked))
        except TimeoutError:
            return None
        [value] = reward_values(rule, [with_labels(example, *labels)], policy)
        return value

    async def reward(
        prompts: Sequence[Turns],
        completions: Sequence[Turns],
        example: Sequence[str | None] | None = None,
        **columns: object,
    ) -> list[float | None]:
        sources = [None] * len(prompts) if example is None else example
        rows = zip(prompts, completions, sources, strict=True)
        return list(await asyncio.gather(*(score(_answered(*row)) for row in rows)))

    # TRL logs a reward under its function's name
    reward.__name__ = f"{labeller.by.name}: {rule.name}"
    return reward


def reward_values(
    rule: NumberRule | Threshold, examples: Sequence[Example], policy: Policy
) -> list[float | None]:
    """The reward of each Example's last response, by the labels that it has; None if the rule does
    not apply to it, or if the instrument failed: never 0 for want of an answer."""
    rewards: list[float | None] = []
    for example in examples:
        value = number_of(rule, Labels(example, (len(example.responses) - 1,), policy))
        rewards.append(None if isinstance(value, Unscored) else value)
    return rewards


def _answered(prompt: Turns, completion: Turns, source: str | None) -> Example:
    """The Example of a completion, which is its one response."""
    request = read_messages(prompt, "user", "prompt") if prompt else ()
    if isinstance(completion, str):
        answer: tuple[Message, ...] = (Message("assistant", completion),)
    else:
        answer = read_messages(completion, "assistant", "completion")
    example = None if source is None else msgspec.json.decode(source, type=Example)
    return Example.new(
        request,
        [Response(answer)],
        task=None if example is None else example.task,
        questions=() if example is None else example.questions,
        parents=() if example is None else (example.id,),
    )
