"""A kind of labeller of somebody else's: what the contract shows can be pasted, and mistakes are
told with their mend."""

from __future__ import annotations

import inspect
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from trueline.cli.app import app
from trueline.files import plugins
from trueline.labellers.contract import Instrument
from trueline.records.store import jsonl
from trueline.records.types import Example, Message, Response


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_files", {})


def sibling() -> str:
    """The kind that the contract's docstring holds."""
    doc = inspect.getdoc(Instrument) or ""
    return textwrap.dedent(doc[doc.index('    """A response is long') :])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    answers = ("Black tea steeps four minutes.", "No.")
    prompt = [Message("user", "How long does tea steep?")]
    rows = [Example.new(prompt, [Response((Message("assistant", a),))]) for a in answers]
    jsonl.write(path, rows)
    return path


def label(tmp_path: Path, data: Path, plugin: Path, *words: str) -> Any:
    given = ["--out", str(tmp_path / "labels"), "--quiet", "--ledger", str(tmp_path / "l.sqlite")]
    return CliRunner().invoke(app, ["--plugin", str(plugin), "label", str(data), *words, *given])


def test_the_sibling_of_the_contract_labels(tmp_path: Path, data: Path) -> None:
    plugin = tmp_path / "length.py"
    plugin.write_text(sibling())
    done = label(tmp_path, data, plugin, "--labeller", "length:3", "--question", "safe", "--json")
    assert done.exit_code == 0, done.output
    [answers] = json.loads(done.stdout)["answers"]
    assert answers["values"] == {"yes": 1, "no": 1}


@pytest.mark.parametrize(
    ("labeller", "question", "why"),
    [
        ("length:three", "safe", "length:three: write length:WORDS"),
        ("length:3", "refusal", "'refusal' is no yes or no of a response"),
        ("length:3", "elicits_harm", "'elicits_harm' is no yes or no of a response"),
        ("lenght:3", "safe", "Did you mean length?"),
        ("length:3", "polite", "a question of your own comes with --policy FILE"),
    ],
)
def test_what_it_cannot_answer_is_told_before_a_run_begins(
    tmp_path: Path, data: Path, labeller: str, question: str, why: str
) -> None:
    plugin = tmp_path / "length.py"
    plugin.write_text(sibling())
    done = label(tmp_path, data, plugin, "--labeller", labeller, "--question", question)
    assert why in str(done.exception)
    assert ("Did you mean" in str(done.exception)) == (labeller == "lenght:3")
    assert not (tmp_path / "labels").exists()


def test_an_answer_that_is_none_names_the_instrument(tmp_path: Path, data: Path) -> None:
    plugin = tmp_path / "length.py"
    plugin.write_text(sibling().replace("Answer(count >= self.words", "bool(count"))
    plugin.write_text(plugin.read_text().replace(', note=f"{count} words")', ")"))
    done = label(tmp_path, data, plugin, "--labeller", "length:3", "--question", "safe")
    assert isinstance(done.exception, TypeError)
    assert "Length.answer gave True to 'safe': it is to give an Answer" in str(done.exception)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("mine.py", "X = 1", "is no plug-in of any kind: a recipe has Options, build; a kind of"),
        ("mine.py", "FORM, HELP = 'mine', ''", "has FORM, HELP, open_labeller"),
        ("hf.py", None, "'hf' names a kind of labeller of trueline's own"),
        ("refusal.py", None, "'refusal' names a kind of labeller of trueline's own"),
    ],
)
def test_a_file_that_is_no_plugin_or_takes_a_name_of_ours_is_told(
    tmp_path: Path, data: Path, name: str, content: str | None, why: str
) -> None:
    plugin = tmp_path / name
    plugin.write_text(sibling() if content is None else content)
    done = label(tmp_path, data, plugin, "--labeller", "refusal", "--question", "refusal")
    assert why in str(done.exception)
