"""`trueline VERB @run.toml --option …`: a settings file first, then the command line; and the verbs
that are generated from their options."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta
from typer.testing import CliRunner

from trueline.cli.app import VERBS, app
from trueline.cli.options import make_command
from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.runs.options import ARGUMENT


@dataclass(frozen=True, kw_only=True)
class Options:
    data: Annotated[Path, Meta(description="Data.", extra=ARGUMENT)]
    judge: Annotated[tuple[str, ...], Meta(description="Judges.")] = ()
    temperature: Annotated[float, Meta(description="Temperature.", ge=0)] = 0.0
    steps: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Steps.")] = None
    order: Annotated[Literal["near", "far"], Meta(description="Order.")] = "near"
    from_: Annotated[str | None, Meta(description="Format.")] = None
    quiet: Annotated[bool, Meta(description="No progress.")] = False


def read(*words: str) -> Options:
    """What the command line makes of these words."""
    heard: list[Any] = []
    make_command(Options, heard.append, "").main(list(words), standalone_mode=False)
    options: Options = heard[0]
    return options


SETTINGS = """
data = "tea/rows.jsonl"
judge = ["a", "b"]
temperature = 1
order = "far"
from = "columns"
quiet = true
"""


def test_a_file_sets_options_and_the_command_line_overrides_them(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(SETTINGS)
    told = read(f"@{path}")
    assert told == Options(
        data=tmp_path / "tea/rows.jsonl",
        judge=("a", "b"),
        temperature=1.0,
        order="far",
        from_="columns",
        quiet=True,
    )
    told = read(f"@{path}", "--judge", "c", "--no-quiet", "--temperature", "0.5", "other.jsonl")
    assert (told.judge, told.quiet, told.temperature) == (("c",), False, 0.5)
    assert told.data == Path("other.jsonl") and told.order == "far"


def test_a_later_file_overrides_an_earlier_one(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text(SETTINGS)
    second.write_text("temperature = 0.25\n")
    assert read(f"@{first}", f"@{second}").temperature == 0.25
    assert read(f"@{second}", f"@{first}").temperature == 1.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("temperatur = 1", "run.toml: unknown option 'temperatur': did you mean temperature"),
        ("steps = 'many'", "run.toml: steps: Expected `int | null`, got `str`"),
        ("temperature = -1", "run.toml: temperature: Expected `float` >= 0"),
        ("order = 'middle'", "run.toml: order: Invalid enum value 'middle'"),
        ("judge = 3", "run.toml: judge: Expected `array`, got `int`"),
        ("judge = [", "run.toml is not TOML"),
        ("plugin = ['evil.py']", "a settings file loads no code"),
    ],
)
def test_what_a_file_may_not_say_names_file_and_key(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text + "\n")
    with pytest.raises(InputError) as error:
        read(f"@{path}", "data.jsonl")
    assert why in str(error.value)


def test_one_value_of_an_option_that_repeats_needs_no_list(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("judge = 'a'\n")
    assert read(f"@{path}", "data.jsonl").judge == ("a",)


def test_a_file_that_stands_elsewhere_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(SETTINGS)
    with pytest.raises(InputError, match="directly after the verb"):
        read("data.jsonl", f"@{path}")
    assert read("data.jsonl", "--judge", f"@{path}").judge == (f"@{path}",)


def test_no_verb_shows_the_help() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2 and "quickstart" in done.output and "@run.toml" in done.output


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match=r"no-such\.toml"):
        read("@no-such.toml")


def test_list_options_repeat_and_do_not_split_at_commas() -> None:
    assert read("x.jsonl", "--judge", "a,b", "--judge", "c").judge == ("a,b", "c")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0 and "Usage: " in done.output


def test_only_the_verb_that_is_called_is_imported() -> None:
    code = (
        "import sys; sys.argv = ['trueline', 'policy', 'show', 'safe']\n"
        "from trueline.cli.app import run\n"
        "try: run()\nexcept SystemExit as end: assert not end.code\n"
        "verbs = {m for m in sys.modules if m.startswith('trueline.cli.')}\n"
        "assert 'trueline.cli.policy' in verbs and 'trueline.cli.evaluate' not in verbs, verbs\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


RECIPE = '''"""A recipe of somebody else's, which prints what it was told."""
from dataclasses import dataclass
from typing import Annotated
from msgspec import Meta

@dataclass(frozen=True, kw_only=True)
class Options:
    cups: Annotated[int, Meta(description="Cups of tea.")] = 1

def build(options):
    print(f"{options.cups} cups")
'''


def test_a_plugin_file_brings_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_files", {})
    path = tmp_path / "tea_break.py"
    path.write_text(RECIPE)
    words = ["--plugin", str(path), "build", "tea-break", "--cups", "3"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and "3 cups" in done.output
    assert "A recipe of somebody else's" in CliRunner().invoke(app, [*words[:3], "--help"]).output


def test_an_unknown_recipe_gets_near_names() -> None:
    done = CliRunner().invoke(app, ["build", "saferinstruct"])
    assert isinstance(done.exception, InputError)
    assert "did you mean safer-instruct" in str(done.exception)
