"""The commands on the page are commands: read by the command line, they give the same options."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import msgspec
from tests.report.made import SUITE, evaluated, world

from trueline.cli.options import make_command
from trueline.evaluate.options import Options
from trueline.report.pairs import ModelSide, make_pairs
from trueline.report.sections import commands
from trueline.report.svg.curves import read_trainings
from trueline.runs.options import settings
from trueline.runs.record import RECORD, command_words
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
    argv = command_words("evaluate", asked)
    model = ModelSide("A", msgspec.structs.replace(results, argv=argv), "there", True)
    [command] = commands.list_commands([], [model], [], "")
    assert command.makes == "Evaluates A:"
    assert "secret" not in command.line and "secret" not in str(settings(asked))
    verb, *words = shlex.split(command.line)[1:]
    assert verb == "evaluate"
    again = read_back(Options, words)
    plain = ("http://host/v1#it", ("http://judge/v1#j", "guard:x"))
    assert again == dataclasses.replace(asked, model=plain[0], judge=plain[1])


def test_a_training_again(tmp_path: Path) -> None:
    [comparison] = world(tmp_path, treated=1, kinds=SUITE[:1], count=12)
    pairs = make_pairs([comparison])
    first = commands.list_commands(read_trainings(pairs), [], pairs, "")[0]
    assert first.makes == "Trains A:"
    verb, method, *words = shlex.split(first.line)[1:]
    assert (verb, method, words[0]) == ("train", "preference", "pairs/harmful")
    again = read_back(find_method(method).Options, words)
    folder = Path(comparison.treated.model)
    assert (again.out, again.model) == (folder, comparison.base.model)
    (folder / RECORD).unlink()  # a card without a run record: no command, and no guess
    made = [c.makes for c in commands.list_commands(read_trainings(pairs), [], pairs, "")]
    assert made == ["Compares A with Base:"]
