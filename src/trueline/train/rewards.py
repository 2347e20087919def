"""Rewards: what a value rule makes of the labels on the responses of a policy being trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trueline.policy.values import Labels, NumberRule, number_of
from trueline.records.types import Example, Question, Unscored


def reward_values(
    rule: NumberRule, examples: Sequence[Example], policy: Mapping[str, Question]
) -> list[float | None]:
    """The reward of each Example's last response; None if the rule does not apply to it, or if the
    instrument failed: never 0 for want of an answer."""
    rewards: list[float | None] = []
    for example in examples:
        last = len(example.responses) - 1
        value = number_of(rule, Labels(example, (last,), policy)) if last >= 0 else None
        rewards.append(None if isinstance(value, Unscored) else value)
    return rewards
