"""A model as a judge: what any model's name means (`labellers/judge`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trueline.files.errors import InputError
from trueline.labellers.contract import Instrument
from trueline.labellers.judge.judge import Judge
from trueline.labellers.judge.prompt import BLOCKS, Template
from trueline.labellers.registry import LabellerContext
from trueline.models.open import without_key

FORM = "[judge:]MODEL"
HELP = "a model as a judge: nano, hf:…, a folder, http(s)://HOST/v1#MODEL"


@asynccontextmanager
async def open_labeller(rest: str, context: LabellerContext) -> AsyncIterator[Instrument]:
    """Raises InputError for an unknown model and for a template that cannot be used."""
    if not rest:
        raise InputError("a judge is named by its model: nano, hf:ORG/NAME, …")
    judging = context.judging
    template = Template(judging.template)
    if judging.template is not None:
        for block in BLOCKS:
            template.render(block, context.questions, text="", why="")
    yield Judge(
        context.model(rest),
        without_key(rest),
        template=template,
        sampling=judging.sampling,
        write=judging.write,
    )
