"""A check, by its own name: trusted code that goes by an Example's task (`labellers/checks`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trueline.labellers.checks import Check
from trueline.labellers.contract import Instrument
from trueline.labellers.registry import LabellerContext

FORM = "[check:]NAME"
HELP = "a check of responses by their task: exact, contains, letter, number, …"


@asynccontextmanager
async def open_labeller(rest: str, context: LabellerContext) -> AsyncIterator[Instrument]:
    """Raises InputError for an unknown check and a missing package."""
    yield Check(rest)
