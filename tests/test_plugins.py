"""Every plugin that is found by walking its folder is documented and keeps its contract."""

from __future__ import annotations

from types import ModuleType

import pytest
from tests.formats.test_formats import golden

from trueline.files import plugins
from trueline.formats.contract import Format
from trueline.formats.registry import find_formats
from trueline.recipes.registry import RECIPES
from trueline.runs.options import option_fields
from trueline.train.methods import METHODS


def undescribed(options: type) -> list[str]:
    """The options whose help would say nothing."""
    return [field.name for field in option_fields(options) if not field.help]


@pytest.mark.parametrize("name, recipe", plugins.modules(RECIPES).items())
def test_recipe(name: str, recipe: ModuleType) -> None:
    assert recipe.__doc__ and len(recipe.__doc__.splitlines()[0]) > 20
    assert isinstance(recipe.VERSION, int) and callable(recipe.build)
    assert undescribed(recipe.Options) == []


@pytest.mark.parametrize("name, method", plugins.modules(METHODS).items())
def test_method(name: str, method: ModuleType) -> None:
    assert method.__doc__ and len(method.__doc__.splitlines()[0]) > 20
    assert method.METHOD.name == name and method.METHOD.Options is method.Options
    assert undescribed(method.Options) == []


@pytest.mark.parametrize("name, format", find_formats().items())
def test_format(name: str, format: Format) -> None:
    assert len(format.about) > 20
    assert name in golden, "a format comes with a row that comes back: tests/records/test_formats"
