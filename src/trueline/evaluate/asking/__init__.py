"""How items are asked: one file a kind, found by walking this folder.

A kind has `async def ask(model, example, how) -> Example`, which adds the model's responses.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Annotated, Literal

from msgspec import Meta, Struct

from trueline.records.types import Sampling


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """How items are asked; `kind` is a file in `kinds`.  `listed` options stand in the prompt
    with letters, and the letters are what a choice is between."""

    kind: str = "generate"
    max_tokens: Annotated[int, Meta(ge=1)] = 256
    stop: tuple[str, ...] = ()
    system: str | None = None
    listed: bool = False
    normalise: Literal["none", "bytes"] = "none"


class How(Struct, frozen=True):
    """How one item is asked: by its benchmark, with which sampling, how often, and whether a
    choice is made by likelihood or in writing."""

    ask: Ask
    sampling: Sampling
    repeats: int = 1
    written: bool = False


@cache
def kinds() -> dict[str, ModuleType]:
    """The kinds by name."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {name: importlib.import_module(f"{__name__}.{name}") for name in sorted(names)}
