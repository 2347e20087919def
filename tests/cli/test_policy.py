"""`trueline policy check` and `show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trueline.cli.app import app
from trueline.files.errors import InputError
from trueline.policy.load import load

runner = CliRunner()


def test_check_says_what_is_wrong_and_exits_1(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('colour = 1\n[[question]]\nid = "a\\u202e"\nkind = "maybe"\n')
    done = runner.invoke(app, ["policy", "check", str(path)])
    assert done.exit_code == 1
    assert f"{path}: colour: is unknown here" in done.stdout
    assert "ask: is missing" in done.stdout and "kind: invalid enum value" in done.stdout
    assert "\u202e" not in done.stdout
    done = runner.invoke(app, ["policy", "check", "--json", str(path)])
    assert done.exit_code == 1 and len(json.loads(done.stdout)["problems"]) == 4


def test_check_of_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[category.Gossip]\ndefinition = "Spreads idle talk."\n', encoding="utf-8")
    done = runner.invoke(app, ["policy", "check", str(path)])
    assert done.exit_code == 0
    assert f"nothing is wrong; {len(load())} questions" in done.stdout


def test_show_prints_every_question_as_it_is_asked() -> None:
    done = runner.invoke(app, ["policy", "show"])
    assert done.exit_code == 0
    told = " ".join(done.stdout.split())
    for question in load().values():
        assert " ".join(question.ask.split()) in told
        assert all(" ".join(text.split()) in told for text in question.anchors.values())
    assert "Asked only if safe is false. Otherwise its answer is 0." in told
    assert "severity is never 0 if safe is false" in told


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("severity", "severity (scale, about the response)"),
        ("White-Collar Crime", "Unlike Economic Crime: It takes a position of trust"),
        ("llama-guard-3", "S6 (Specialized Advice) → nothing here: advice without a licence"),
        ("beavertails", "self_harm → Physical Harm or Psychological Harm"),
    ],
)
def test_show_one(name: str, part: str) -> None:
    done = runner.invoke(app, ["policy", "show", name])
    assert done.exit_code == 0
    assert part in " ".join(done.stdout.split())
    assert json.loads(runner.invoke(app, ["policy", "show", name, "--json"]).stdout)


def test_show_as_json_holds_the_whole_policy() -> None:
    found = json.loads(runner.invoke(app, ["policy", "show", "--json"]).stdout)
    assert [question["id"] for question in found["questions"]] == list(load())
    assert len(found["categories"]) == 19 and len(found["crosswalks"]) == 6


def test_show_of_nothing_known() -> None:
    done = runner.invoke(app, ["policy", "show", "weather"])
    assert isinstance(done.exception, InputError)
    assert "no question, category or crosswalk 'weather'" in str(done.exception)
