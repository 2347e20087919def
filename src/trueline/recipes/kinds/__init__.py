"""The recipes, one file each: `Options`, and `build(options) -> RunRecord`.

A new file here is a new recipe, with its command `trueline build NAME`: nothing else to change.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def recipes() -> dict[str, ModuleType]:
    """The recipe modules by the names of their commands."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {n.replace("_", "-"): importlib.import_module(f"{__name__}.{n}") for n in names}
