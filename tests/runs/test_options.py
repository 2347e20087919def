"""Option groups: combined by inheritance, checked by their fields, and what of them is identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from trueline.evaluate.options import Options as EvaluateOptions
from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.labellers.label import Options as LabelOptions
from trueline.recipes.registry import RECIPES
from trueline.runs.options import (
    ARGUMENT,
    NO_IDENTITY,
    DataSet,
    NotNegative,
    RunOptions,
    check_options,
    decisive,
    option_fields,
    settings,
)

ALL: list[Any] = [
    EvaluateOptions,
    LabelOptions,
    *(r.Options for r in plugins.modules(RECIPES).values()),
]


@dataclass(frozen=True, kw_only=True)
class Options(DataSet, RunOptions):
    """Options of a verb of this test."""

    words: Annotated[tuple[Path, ...], Meta(description="Files of words.")] = ()
    level: Annotated[NotNegative, Meta(description="How much.")] = 1.0
    shade: Annotated[str, Meta(description="How it is shown.", extra=NO_IDENTITY)] = "dark"


@pytest.fixture
def options(tmp_path: Path) -> Options:
    (tmp_path / "data.jsonl").write_text("{}\n")
    (tmp_path / "words.txt").write_text("one\n")
    return Options(
        data=tmp_path / "data.jsonl", out=tmp_path / "out", words=(tmp_path / "words.txt",)
    )


def test_a_class_has_its_own_fields_first_then_those_of_its_groups_in_order() -> None:
    fields = option_fields(Options)
    names = [field.name for field in fields]
    assert names[:6] == ["words", "level", "shade", "data", "limit", "out"]
    assert len(names) == len(set(names)) and "max_calls" in names
    by_name = {field.name: field for field in fields}
    assert by_name["data"].is_argument and by_name["data"].required
    assert by_name["level"].help == "How much." and by_name["level"].kind is float
    assert not by_name["shade"].is_identity and by_name["words"].is_identity


def test_a_marked_field_is_no_part_of_the_identity_and_a_file_is_with_its_content(
    options: Options, tmp_path: Path
) -> None:
    before = decisive(options)
    assert set(before) == {"words", "level", "data"}
    assert before["words"][0][0] == "words.txt"
    (tmp_path / "words.txt").write_text("two\n")
    assert decisive(options) != before
    assert settings(options)["words"] == [str(tmp_path / "words.txt")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": -1.0}, "--level -1.0: expected"),
        ({"limit": 0}, "--limit 0: expected"),
        ({"max_calls": -1}, "--max-calls -1"),
        ({"timeout": 0.0}, "--timeout 0.0"),
        ({"level": "much"}, "--level much"),
    ],
)
def test_a_value_beyond_its_limits_is_named_as_the_option_is_typed(
    options: Options, changes: dict[str, Any], message: str
) -> None:
    check_options(options)
    with pytest.raises(InputError, match=message):
        check_options(Options(data=options.data, out=options.out, **changes))


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__module__)
def test_every_option_says_what_it_is(kind: Any) -> None:
    for field in option_fields(kind):
        assert field.help.endswith("."), field.name
        assert not field.is_argument or ARGUMENT["argument"]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__module__)
def test_caps_and_output_are_part_of_no_identity(kind: Any) -> None:
    marked = {field.name for field in option_fields(kind) if not field.is_identity}
    assert {field.name for field in option_fields(RunOptions)} | {"limit"} <= marked
