"""The verbs, and what every one of them shares: how errors end a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trueline import __version__
from trueline.cli import (
    agree,
    build,
    compare,
    convert,
    evaluate,
    label,
    ledger,
    policy,
    quickstart,
    show,
    train,
)
from trueline.cli.show import safe
from trueline.files.errors import InputError
from trueline.files.text import check_path_encodable
from trueline.models.contract import ModelError, Unsupported

app = typer.Typer(
    name="trueline",
    help="Brings a language model into true, and proves that it stays there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("quickstart")(quickstart.command)
app.add_typer(build.app, name="build")
app.add_typer(train.app, name="train")
app.command("label")(label.command)
app.command("agree")(agree.command)
app.command("evaluate")(evaluate.command)
app.command("compare")(compare.command)
app.command("convert")(convert.command)
app.command("show")(show.command)
app.add_typer(policy.app, name="policy")
app.add_typer(ledger.app, name="ledger")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="The version, and nothing else.")] = (
        False
    ),
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def told(error: Exception) -> str:
    """An error's message as a terminal may show it: names in it come from foreign files."""
    return "trueline: " + "\n".join(safe(line) for line in str(error).split("\n"))


def run() -> None:
    """The command line with its exit codes: 0 done, 1 fell short, 2 wrong use or input."""
    try:
        for argument in sys.argv:
            check_path_encodable(Path(argument))  # names and settings end up in records and hashes
        try:
            app()
        finally:
            sys.stdout.flush()  # where its disk is full, that shows here and not behind us
    except (InputError, ModelError, Unsupported) as error:
        print(told(error), file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a place that may not be looked at, results that go nowhere
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for the last flush
        if isinstance(error, BrokenPipeError):  # who reads has seen enough
            sys.exit(1)
        print(told(error), file=sys.stderr)
        sys.exit(2)
