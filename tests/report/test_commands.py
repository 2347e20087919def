"""The commands on the page are commands: read by the command line, they give the same options."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import msgspec
from tests.report.made import SUITE, evaluated, trained

from trueline.cli.options import make_command
from trueline.evaluate.options import Options
from trueline.report.pairs import ModelSide
from trueline.report.sections import commands
from trueline.runs.options import settings
from trueline.train import card
from trueline.train.methods import find_method


def read_back(options: type, words: list[str]) -> Any:
    """What the command line makes of these words."""
    found: list[Any] = []
    make_command(options, found.append, "").main(words, standalone_mode=False)
    return found[0]


def test_an_evaluation_again(tmp_path: Path) -> None:
    results, _ = evaluated(tmp_path / "base", SUITE[:1], "nano", 0.0, count=12)
    asked = Options(
        model="http://me:secret@host/v1#it",
        out=Path("elsewhere"),
        benchmark=("harmfulness", "sums"),
        data=Path("my data"),
        judge=("http://me:secret@judge/v1#j", "guard:x"),
        repeats=3,
        temperature=0.7,
        quiet=True,
    )
    model = ModelSide("A", msgspec.structs.replace(results, config=settings(asked)), "there", True)
    line = commands.evaluation_command(model)
    assert "secret" not in line and "secret" not in str(settings(asked))
    verb, *words = shlex.split(line)[1:]
    assert verb == "evaluate"
    again = read_back(Options, words)
    plain = ("http://host/v1#it", ("http://judge/v1#j", "guard:x"))
    assert again == dataclasses.replace(asked, model=plain[0], judge=plain[1], out=Path("there"))


def test_a_training_again(tmp_path: Path) -> None:
    results, _ = evaluated(tmp_path / "base", SUITE[:1], "nano", 0.0, count=12)
    trained(tmp_path / "model", results)
    found = card.read(tmp_path / "model")
    line = commands.training_command(found, str(tmp_path / "model"))
    verb, method, *words = shlex.split(line)[1:]
    assert (verb, method, words[0]) == ("train", "preference", "pairs/harmful")
    again = read_back(find_method(method).Options, words)
    assert again.out == tmp_path / "model" and again.learning_rate == found.learning_rate
    for name, value in found.options.items():
        assert getattr(again, name) == value
