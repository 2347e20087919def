"""The recipes: ours in `recipes/kinds/`, those in files that the user names, and entry points.

A recipe is a module with `Options` and `build(options) -> RunRecord | None`; its name is the
file's, and its command is `trueline build NAME`.  Copy `kinds/safer_instruct.py`.
"""

from __future__ import annotations

from trueline.files.plugins import Family

RECIPES = Family("recipe", "trueline.recipes.kinds", "trueline.recipes", ("Options", "build"))
