"""A response is long if it has more words than the name says: `length:WORDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from trueline.files.hashing import digest
from trueline.labellers.answer import Answer
from trueline.labellers.contract import Instrument
from trueline.labellers.registry import LabellerContext
from trueline.labellers.targets import About
from trueline.records.types import Example, LabellerId, Question

FORM = "length:WORDS"
HELP = "whether a response has at least so many words"
VERSION = 1


class Length(Instrument):
    noun, measured = "word count", False

    def __init__(self, words: int) -> None:
        self.words = words
        instrument = digest(["length", VERSION, words])
        self.by = LabellerId("grader", f"length:{words}", instrument, VERSION)

    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> Mapping[str, Answer]:
        count = len(example.responses[about[0]].text.split())
        return {q.id: Answer(count >= self.words, note=f"{count} words") for q in questions}


@asynccontextmanager
async def open_labeller(rest: str, context: LabellerContext) -> AsyncIterator[Instrument]:
    yield Length(int(rest))
