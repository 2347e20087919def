"""`trueline train METHOD DATA`: every method of the train room is a command here."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import typer
import typer.core

from trueline.cli.ending import show_json
from trueline.cli.options import command
from trueline.files import plugins
from trueline.train.card import Card, losses
from trueline.train.methods import METHODS, method_names
from trueline.train.options import TrainOptions
from trueline.train.run import train


class _Methods(typer.core.TyperGroup):
    """Methods are looked up when they are called for: those of plug-ins come after the start."""

    def list_commands(self, ctx: Any) -> list[str]:
        return method_names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        module = plugins.find(METHODS, cmd_name)

        def run(options: TrainOptions) -> None:
            report(train(module.METHOD, options), options.out, options.json)

        alone = typer.Typer(rich_markup_mode=None)
        call = command(module.METHOD.Options, run, module.__doc__ or "")
        alone.command(cmd_name)(_with_data(call))
        return typer.main.get_command(alone)


app = typer.Typer(cls=_Methods, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def train_group() -> None:
    """Train a model."""


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


def _with_data(call: Any) -> Any:
    """The command with its data as an argument that must be there: no Examples are passed here."""
    parameters = call.__signature__.parameters.values()
    call.__signature__ = inspect.Signature(
        [p.replace(default=inspect.Parameter.empty) if p.name == "data" else p for p in parameters]
    )
    return call
