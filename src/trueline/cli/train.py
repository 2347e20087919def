"""`trueline train METHOD DATA`: every method of the train room is a command here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from trueline.cli.ending import show_json
from trueline.cli.options import Command, LazyGroup, Makers, make_command
from trueline.files import plugins
from trueline.train.card import Card, losses
from trueline.train.methods import METHODS


def report(card: Card, out: Path, as_json: bool) -> None:
    """What came of a run, on stdout."""
    if as_json:
        show_json(card)
        return
    loss = losses(card)
    fell = f", loss {loss[0]:.4f} to {loss[-1]:.4f}" if loss else ""
    print(f"{out}: {card.steps:,} steps on {card.data.rows:,} rows in {card.seconds:,.0f} s{fell}")


def _runner(method: ModuleType) -> Callable[[Any], None]:
    def run(options: Any) -> None:
        report(method.train(options), options.out, options.json)

    return run


def _make(name: str) -> Command:
    method = plugins.find(METHODS, name)
    return make_command(method.Options, _runner(method), method.__doc__ or "")


def _methods() -> Makers:
    return {name: partial(_make, name) for name in plugins.names(METHODS)}


command = LazyGroup(makers=_methods, help="Train a model by a method.")
