"""`trueline train METHOD DATA`: every method of the train room is a command here."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from trueline.cli.ending import show_json
from trueline.cli.groups import Command, LazyGroup, Makers
from trueline.cli.options import make_command
from trueline.files import plugins
from trueline.train.card import Card, losses
from trueline.train.methods import METHODS, method_names
from trueline.train.options import TrainOptions
from trueline.train.run import train


def report(card: Card, out: Path, as_json: bool) -> None:
    """What came of a run, on stdout."""
    if as_json:
        show_json(card)
        return
    loss = losses(card)
    change = f", loss {loss[0]:.4f} to {loss[-1]:.4f}" if loss else ""
    metrics = "".join(f", {name} {value:.3f}" for name, value in card.metrics.items())
    print(
        f"{out}: {card.steps:,} steps on {card.data.rows:,} rows in {card.seconds:,.0f} s"
        f"{change}{metrics}"
    )


def _make(name: str) -> Command:
    module = plugins.find(METHODS, name)

    def run(options: TrainOptions) -> None:
        report(train(module.METHOD, options), options.out, options.json)

    # In Python the Examples may be passed instead of a data set.
    return make_command(module.METHOD.Options, run, module.__doc__ or "", required=("data",))


def _methods() -> Makers:
    return {name: partial(_make, name) for name in method_names()}


command = LazyGroup(makers=_methods, missing=_make, help="Train a model by a method.")
