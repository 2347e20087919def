"""The families of plug-ins that a file can belong to."""

from __future__ import annotations

from trueline.formats.registry import FORMATS
from trueline.labellers.checks import CHECKS
from trueline.labellers.registry import KINDS
from trueline.recipes.registry import RECIPES
from trueline.train.methods import METHODS

FAMILIES = (RECIPES, KINDS, FORMATS, CHECKS, METHODS)
