"""Blank responses, one of the traps of the released Safer-Instruct data (arXiv 2311.08685)."""

from __future__ import annotations

from trueline.records.types import Example
from trueline.runs.context import RunContext
from trueline.runs.stage import Outcome, Rejected, Step


def blank(context: RunContext) -> Step:
    """Rejects Examples with a response that neither says anything nor calls a tool."""
    return reject_blank


def reject_blank(example: Example) -> Outcome:
    for number, response in enumerate(example.responses):
        if not response.text.strip() and not any(turn.tool_calls for turn in response.messages):
            return Rejected(example, "blank response", f"number {number} has no text")
    return example
