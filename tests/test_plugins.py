"""Every plugin that is found by walking its folder is documented and keeps its contract."""

from __future__ import annotations

import typing
from types import ModuleType

import msgspec
import pytest

from trueline.build.recipes import recipes


@pytest.mark.parametrize("name, recipe", recipes().items())
def test_recipe(name: str, recipe: ModuleType) -> None:
    assert recipe.__doc__ and len(recipe.__doc__.splitlines()[0]) > 20
    assert isinstance(recipe.VERSION, int) and callable(recipe.build)
    hints = typing.get_type_hints(recipe.Options, include_extras=True)
    for field in msgspec.structs.fields(recipe.Options):
        meta = [m for m in typing.get_args(hints[field.name]) if isinstance(m, msgspec.Meta)]
        assert meta and meta[0].description, f"{name}: option {field.name} says nothing"
