"""The training methods, one file each: `Options`, and `train(options, examples=None) -> Card`.

A new file here is a new method, with its command `trueline train NAME`: nothing else to change.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def methods() -> dict[str, ModuleType]:
    """The method modules by the names of their commands."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {n.replace("_", "-"): importlib.import_module(f"{__name__}.{n}") for n in names}
