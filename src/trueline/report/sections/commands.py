"""The command lines that train, evaluate and compare again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trueline.evaluate.options import Options
from trueline.report.pairs import ModelSide, Pair
from trueline.runs.options import option_fields
from trueline.train.card import Card


class Command(Struct, frozen=True):
    """A command line, and what it makes."""

    makes: str
    line: str


def list_commands(
    pairs: Sequence[Pair], models: Sequence[ModelSide], cards: Mapping[str, Card], page: str
) -> list[Command]:
    """The command lines that lead to the page; `cards` are by the treated model's mark, and `page`
    is the command line that wrote the page ("": not known)."""
    commands = [
        Command(f"Trains {mark}:", training_command(card, pair.treated.name))
        for pair in pairs
        for mark, card in cards.items()
        if mark == pair.treated.mark
    ]
    commands += [Command(f"Evaluates {m.mark}:", evaluation_command(m)) for m in models]
    if page:
        return [*commands, Command("Compares, and writes this page:", page)]
    return commands + [
        Command(
            f"Compares {p.treated.mark} with {p.base.mark}:",
            shlex.join(["trueline", "compare", p.base.folder, p.treated.folder]),
        )
        for p in pairs
    ]


def evaluation_command(model: ModelSide) -> str:
    """The evaluation again, from its settings: those that were not the default."""
    words, config = ["trueline", "evaluate"], model.results.config
    defaults = msgspec.to_builtins(
        {f.name: f.default for f in option_fields(Options) if not f.required}, enc_hook=str
    )
    if not config.get("rescore"):
        words.append(str(config.get("model") or model.name))
    for name, default in defaults.items():
        value = model.folder if name == "out" else config.get(name, default)
        if name != "model" and (name == "out" or value != default):
            words += _option_words(name, value)
    return shlex.join(words)


def training_command(card: Card, out: str) -> str:
    """The training again, every setting named."""
    settings = {**card.options, "learning_rate": card.learning_rate}
    words = ["trueline", "train", card.method]
    words += [card.data.source] if card.data.source else []
    for name, value in settings.items():
        words += _option_words(name, value)
    return shlex.join([*words, "--out", out])


def _option_words(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, (list, tuple)):
        return [word for one in value for word in (f"--{flag}", str(one))]
    return [f"--{flag}", str(value)]
