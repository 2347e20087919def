"""A guard model, which writes its verdict in its family's way (`labellers/guard`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trueline.files.errors import InputError
from trueline.labellers.contract import Instrument
from trueline.labellers.guard import FORMS, Guard
from trueline.labellers.registry import LabellerContext
from trueline.models.open import without_key

FORM = "guard:FORM:MODEL"
HELP = f"a guard model; FORM is its family: {', '.join(sorted(FORMS))}"


@asynccontextmanager
async def open_labeller(rest: str, context: LabellerContext) -> AsyncIterator[Instrument]:
    """Raises InputError for an unknown family."""
    family, _, model = rest.partition(":")
    if family not in FORMS or not model:
        families = ", ".join(sorted(FORMS))
        raise InputError(f"guard:{rest}: a guard is named {FORM}, FORM one of {families}")
    yield Guard(context.model(model), without_key(model), family, context.policy)
