"""Code in the Examples' own tasks, or in a Python file, run confined (`labellers/grader`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trueline.files.errors import InputError
from trueline.labellers.contract import Instrument
from trueline.labellers.grader import Grader, from_file
from trueline.labellers.registry import LabellerContext
from trueline.sandbox.pool import Sandbox

FORM = "grader[:FILE]"
HELP = "code in the items' own tasks, or in a Python file"


@asynccontextmanager
async def open_labeller(rest: str, context: LabellerContext) -> AsyncIterator[Instrument]:
    """Raises InputError unless there is one question, of a kind that code can answer, or a file
    answers the Examples' own."""
    if len(context.questions) + context.own != 1:
        raise InputError("a grader answers one question, or the Examples' own: name it alone")
    question = None if context.own else context.questions[0]
    async with Sandbox() as sandbox:
        yield from_file(sandbox, Path(rest), question) if rest else Grader(sandbox, question)
