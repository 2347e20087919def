"""A training method of somebody else's: a file or an entry point is all that it needs."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path

import pytest
from tests.train.tiny import PAIRS, tiny_model
from typer.testing import CliRunner

from trueline.cli.app import app
from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.records.store import jsonl
from trueline.train import card
from trueline.train.method import Method
from trueline.train.methods import find_method, method_names
from trueline.train.run import train


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_files", {})


def sibling() -> str:
    """The method that the contract's docstring holds."""
    doc = inspect.getdoc(Method) or ""
    code = doc[doc.index("    '''Learn") : doc.index("With a loss of its own")]
    return textwrap.dedent(code)


def test_the_sibling_of_the_contract_is_a_command_that_trains(tmp_path: Path) -> None:
    (tmp_path / "parrot.py").write_text(sibling())
    plugin = ["--plugin", str(tmp_path / "parrot.py"), "train"]
    jsonl.write(tmp_path / "pairs.jsonl", PAIRS)
    words = [*plugin, "parrot", str(tmp_path / "pairs.jsonl"), "--out", str(tmp_path / "m")]
    words += ["--model", str(tiny_model(tmp_path / "tiny")), "--max-steps", "1", "--log-steps", "1"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    written = card.read(tmp_path / "m")
    assert (written.method, written.steps, written.data.rows) == ("parrot", 1, 20)
    help = CliRunner().invoke(app, [*plugin, "--help"])
    assert "parrot" in help.output and "Learn to repeat the request." in help.output


def test_an_installed_package_brings_a_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "parrots-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: parrots\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[trueline.methods]\nparrot = parrots_method\n")
    (tmp_path / "parrots_method.py").write_text(sibling())
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "parrot" in method_names()
    method = find_method("parrot")
    options = method.Options(
        model=str(tiny_model(tmp_path / "tiny")), out=tmp_path / "m", max_steps=1
    )
    assert train(method, options, PAIRS).method == "parrot"


def test_an_unknown_method_gets_near_names() -> None:
    with pytest.raises(InputError, match="unknown training method 'rewards': did you mean reward"):
        find_method("rewards")


def test_a_method_and_its_file_have_one_name(tmp_path: Path) -> None:
    path = tmp_path / "polly.py"
    path.write_text(sibling())
    plugins.add_file(path)
    with pytest.raises(InputError, match=r"polly\.py: its METHOD is named 'parrot'"):
        find_method("polly")
