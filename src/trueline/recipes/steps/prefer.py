"""Prefer: a preference that holds by construction is stored as a derived label."""

from __future__ import annotations

from trueline.policy.preference import preference_label
from trueline.records.types import Example, LabellerId, with_labels
from trueline.runs.context import RunContext
from trueline.runs.stage import Outcome, Step


def prefer(context: RunContext, *, chosen: int, rejected: int, rule: str) -> Step:
    """Prefers response number `chosen` to number `rejected`; `rule` says who decided so."""
    by = LabellerId("derived", rule)

    def step(example: Example) -> Outcome:
        return with_labels(example, preference_label(example, chosen, rejected, by))

    return step
