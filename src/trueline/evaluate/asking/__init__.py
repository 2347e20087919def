"""How items are asked: one file a kind, found by walking this folder.

A kind adds the target's responses to an item.  Models come by role, so that another may stand
beside the target (an attacker, say); a kind uses those that it needs:

    async def ask(
        models: Mapping[Role, Model], example: Example, settings: AskSettings
    ) -> Example:
        target = models["target"]
        drawn = await target.generate(example.prompt, settings.sampling, n=settings.repeats)
        responses = [response(target, settings.sampling, completion) for completion in drawn]
        return with_responses(example, *responses)

    def bound(example: Example, settings: AskSettings) -> Bound:
        return Bound(1, settings.spec.max_tokens) * settings.repeats
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Annotated, Literal

from msgspec import Meta, Struct

from trueline.records.types import Sampling


class AskSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """How a benchmark has its items asked; `kind` is a file of this folder.  `listed` options
    stand in the prompt with letters, and the letters are what a choice is between."""

    kind: str = "generate"
    max_tokens: Annotated[int, Meta(ge=1)] = 256
    stop: tuple[str, ...] = ()
    system: str | None = None
    listed: bool = False
    normalise: Literal["none", "bytes"] = "none"


class AskSettings(Struct, frozen=True):
    """How one item is asked: as its benchmark states, with which sampling, how often, and whether
    a choice is made by likelihood or in writing."""

    spec: AskSpec
    sampling: Sampling
    repeats: int = 1
    written: bool = False


@cache
def kinds() -> dict[str, ModuleType]:
    """The kinds by name."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {name: importlib.import_module(f"{__name__}.{name}") for name in sorted(names)}
