"""The recipes, one file each: `Options`, and `build(options) -> RunRecord`.

A new file here is a new recipe, with its command `trueline build NAME`: nothing else to change.
"""

from __future__ import annotations

from trueline.files.plugins import Family

RECIPES = Family("recipe", "trueline.recipes.kinds", "trueline.recipes", ("Options", "build"))
