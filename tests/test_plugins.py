"""Every plugin that is found by walking its folder is documented and keeps its contract."""

from __future__ import annotations

import typing
from types import ModuleType

import msgspec
import pytest
from tests.formats.test_formats import golden

from trueline import formats
from trueline.recipes.kinds import recipes
from trueline.train.methods import methods


def undescribed(options: type[msgspec.Struct]) -> list[str]:
    """The options whose help would say nothing."""
    hints = typing.get_type_hints(options, include_extras=True)
    return [
        field.name
        for field in msgspec.structs.fields(options)
        if not any(
            isinstance(meta, msgspec.Meta) and meta.description
            for meta in typing.get_args(hints[field.name])
        )
    ]


@pytest.mark.parametrize("name, recipe", recipes().items())
def test_recipe(name: str, recipe: ModuleType) -> None:
    assert recipe.__doc__ and len(recipe.__doc__.splitlines()[0]) > 20
    assert isinstance(recipe.VERSION, int) and callable(recipe.build)
    assert undescribed(recipe.Options) == []


@pytest.mark.parametrize("name, method", methods().items())
def test_method(name: str, method: ModuleType) -> None:
    assert method.__doc__ and len(method.__doc__.splitlines()[0]) > 20
    assert method.METHOD.name == name and callable(method.train)
    assert undescribed(method.Options) == []


@pytest.mark.parametrize("name, format", formats.every().items())
def test_format(name: str, format: formats.Format) -> None:
    assert format.name == name and len(format.about) > 20
    assert format.mapped or (format.reads and format.holds)
    assert name in golden, "a format comes with a row that comes back: tests/records/test_formats"
