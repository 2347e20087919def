"""The table of verbs, and what every one of them shares: how errors end a command.

A verb is a module of this folder with a `command`; it is imported when the verb is called.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from trueline import __version__
from trueline.cli.groups import Command, LazyGroup
from trueline.files.errors import InputError
from trueline.files.text import check_path_encodable, escape_terminal

VERBS = {
    "quickstart": "Run the whole loop on the bundled model, in minutes.",
    "build": "Make Examples by a recipe.",
    "label": "Ask a labeller questions about a data set.",
    "agree": "Measure how far labellers agree; consensus; agreement cards.",
    "train": "Train a model by a method.",
    "evaluate": "Ask a model the items of benchmarks and score its answers.",
    "compare": "Compare evaluated models on the same items; write a page.",
    "convert": "Convert data of other tools into ours, and back.",
    "show": "Count what a data set holds, and show some of it.",
    "policy": "Show a policy, or check one of your own.",
    "ledger": "Show what model calls cost; export or prune their answers.",
}
"""Every verb with its line in `trueline --help`."""


def _maker(verb: str) -> Callable[[], Command]:
    def make() -> Command:
        command: Command = importlib.import_module(f"trueline.cli.{verb}").command
        return command

    return make


class Verbs(LazyGroup):
    """The root: its verbs are imported when they are called."""

    def __init__(self, **settings: Any) -> None:
        makers = {verb: _maker(verb) for verb in VERBS}
        super().__init__(makers=lambda: makers, summaries=VERBS, **settings)


app = typer.Typer(
    name="trueline",
    cls=Verbs,
    help="Brings a language model into true, and proves that it stays there.",
    epilog="Settings may come from a file, directly after the verb: trueline VERB @run.toml …",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _add_plugins(paths: list[Path]) -> list[Path]:
    if paths:
        from trueline.cli.families import FAMILIES  # loads the rooms
        from trueline.files import plugins

        for path in paths:
            plugins.add_file(path, FAMILIES)
    return paths


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    plugin: Annotated[
        list[Path],
        typer.Option(
            help="Python file with plug-ins (recipe, labeller, format, check, method); repeatable.",
            callback=_add_plugins,
            is_eager=True,
        ),
    ] = [],  # noqa: B006 - Typer reads it, nobody changes it
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def format_error(error: Exception) -> str:
    """An error's message as a terminal may show it: names in it come from foreign files."""
    return "trueline: " + "\n".join(escape_terminal(line) for line in str(error).split("\n"))


def run() -> None:
    """The command line with its exit codes: 0 done, 1 fell short, 2 wrong use or input."""
    try:
        for argument in sys.argv:
            check_path_encodable(Path(argument))  # names and settings end up in records and hashes
        try:
            typer.main.get_command(app)()
        finally:
            sys.stdout.flush()  # if its disk is full, that shows here and not after us
    except OSError as error:  # a place that may not be looked at, results that go nowhere
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for the last flush
        if isinstance(error, BrokenPipeError):  # who reads has seen enough
            sys.exit(1)
        print(format_error(error), file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if not _is_told(error):
            raise
        print(format_error(error), file=sys.stderr)
        sys.exit(2)


def _is_told(error: Exception) -> bool:
    """Whether the message alone says what is wrong; a traceback would only hide it."""
    from trueline.models.contract import ModelError, Unsupported  # loads the records

    return isinstance(error, (InputError, ModelError, Unsupported))
