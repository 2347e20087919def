"""The bundled refusal classifier, by its name alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trueline.files.errors import InputError
from trueline.labellers.contract import Instrument
from trueline.labellers.registry import LabellerContext

FORM = "refusal"
HELP = "the bundled refusal classifier (English)"


@asynccontextmanager
async def open_labeller(rest: str, context: LabellerContext) -> AsyncIterator[Instrument]:
    from trueline.labellers.refusal.refusal import Refusal  # loads numpy

    if rest:
        raise InputError(f"refusal:{rest}: the refusal classifier is named {FORM!r} alone")
    yield Refusal()
