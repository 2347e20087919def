"""A sequence classifier whose labels a mapping turns into answers (`labellers/classifier`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trueline.labellers.classifier import load_classifier
from trueline.labellers.contract import Instrument
from trueline.labellers.registry import LabellerContext

FORM = "classifier:MODEL[?map=FILE]"
HELP = "a sequence classifier: a folder, or hf:ORG/NAME[@REVISION]"


@asynccontextmanager
async def open_labeller(rest: str, context: LabellerContext) -> AsyncIterator[Instrument]:
    """Raises InputError for a missing extra, weights or mapping."""
    model, _, mapping = rest.partition("?map=")
    yield load_classifier(model, Path(mapping) if mapping else None, context.policy)
