"""Contrast: a pair of two responses that say the same teaches nothing."""

from __future__ import annotations

from trueline.recipes.filters.near_duplicates import jaccard, shingles
from trueline.records.types import Example
from trueline.runs.context import RunContext
from trueline.runs.stage import Outcome, Rejected, Step


def contrast(context: RunContext, *, threshold: float = 0.8) -> Step:
    """Rejects Examples whose last response repeats the first; `threshold` is a Jaccard
    similarity."""

    def step(example: Example) -> Outcome:
        first, *_, last = example.responses
        if jaccard(shingles(last.text), shingles(first.text)) >= threshold:
            return Rejected(example, "no contrast", "the answer repeats the text")
        return example

    return step
