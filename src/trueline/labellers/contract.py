"""The Labeller contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trueline.records.types import Example, Label, LabellerId, Question


class Labeller(Protocol):
    """Anything that answers questions about Examples: a judge, a grader, a classifier, a person.

    `by` names it and carries its instrument hash.  A failure of the instrument is a Label with
    `unscored`, never a verdict; a failure of what is judged is an answer.
    """

    @property
    def by(self) -> LabellerId: ...

    async def label(self, example: Example, questions: Sequence[Question]) -> list[Label]:
        """One Label for each question and each thing that the question is about."""
        ...
