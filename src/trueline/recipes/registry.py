"""The recipes: ours in `recipes/kinds/`, those in files that the user names, and entry points.

A recipe is a module with `Options` and `build(options) -> RunRecord | None`; its name is the
file's.  Copy `kinds/safer_instruct.py`.
"""

from __future__ import annotations

from types import ModuleType

from trueline.files import plugins
from trueline.files.plugins import Family

RECIPES = Family("recipe", "trueline.recipes.kinds", "trueline.recipes", ("Options", "build"))


def recipe_names() -> list[str]:
    """The names of all recipes; none is imported."""
    return plugins.names(RECIPES)


def find_recipe(name: str) -> ModuleType:
    """The recipe of this name.  Raises InputError, with near names, if there is none."""
    return plugins.find(RECIPES, name)


def recipes() -> dict[str, ModuleType]:
    """All recipes by name, imported."""
    return plugins.modules(RECIPES)
