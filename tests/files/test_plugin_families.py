"""Plug-ins are found in the package, in files that are named, and through entry points."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.files.plugins import Family

RECIPES = Family("recipe", "trueline.recipes.kinds", "trueline.recipes", ("Options", "build"))
RECIPE = "class Options: ...\ndef build(options): return 'built'\n"


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_files", {})


def test_ours_are_found_by_the_names_of_their_files() -> None:
    assert "safer-instruct" in plugins.names(RECIPES)
    assert plugins.find(RECIPES, "safer-instruct").__name__.endswith("safer_instruct")


def test_a_file_that_is_named_brings_its_plugin(tmp_path: Path) -> None:
    path = tmp_path / "my_recipe.py"
    path.write_text(RECIPE)
    plugins.add_file(path)
    assert "my-recipe" in plugins.names(RECIPES)
    assert plugins.find(RECIPES, "my-recipe").build(None) == "built"
    assert "my-recipe" not in plugins.names(Family("check", RECIPES.package, "x", ("check",)))


@pytest.mark.parametrize(
    ("content", "why"), [("raise ValueError('no')", "ValueError: no"), ("def", "SyntaxError")]
)
def test_a_file_that_fails_is_named_with_its_reason(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(content)
    with pytest.raises(InputError, match=why):
        plugins.add_file(path)


def test_an_entry_point_is_loaded_when_its_name_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[trueline.recipes]\ntiny = tiny_recipe\nlame = tiny_lame\nsafer-instruct = tiny_lame\n"
    )
    (tmp_path / "tiny_recipe.py").write_text(RECIPE)
    (tmp_path / "tiny_lame.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugins.find(RECIPES, "tiny").build(None) == "built"
    assert plugins.find(RECIPES, "safer-instruct").__name__.endswith("safer_instruct")
    assert "tiny_lame" not in sys.modules
    with pytest.raises(InputError, match="lacks one of Options, build"):
        plugins.find(RECIPES, "lame")


def test_an_unknown_name_gets_near_ones() -> None:
    with pytest.raises(InputError, match="did you mean safer-instruct"):
        plugins.find(RECIPES, "saferinstruct")
