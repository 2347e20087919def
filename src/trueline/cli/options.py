"""A command from an options class: a verb, a recipe or a training method declares its options once.

Every field `Annotated[type, msgspec.Meta(description=...)]` becomes `--field-name`; a field
without a default is required, a tuple is an option that repeats, and `extra=ARGUMENT` makes a field
an argument.  `trueline VERB @run.toml …` reads a settings file first; options override it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand

from trueline.cli.groups import Command
from trueline.cli.settings import check_no_settings_file, read_settings
from trueline.runs.options import OptionField, option_fields

Run = Callable[[Any], None]
LISTING = "list"


def make_command(
    options: type,
    run: Run,
    doc: str,
    required: Collection[str] = (),
    listing: Callable[[], None] | None = None,
) -> Command:
    """A command whose options are the fields of a class, and which calls `run` with them.

    `required` names fields that have a default in Python and none here; `listing` is what `--list`
    does instead of running.
    """
    function = _function(options, run, doc, required, listing)
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command(cls=_settings_command(options))(function)
    return cast(Command, typer.main.get_command(app))


def _settings_command(options: type) -> type[TyperCommand]:
    class SettingsCommand(TyperCommand):
        """A command that may be given settings files first."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            settings: dict[str, Any] = {}
            while args and args[0].startswith("@"):
                settings |= read_settings(Path(args.pop(0)[1:]), options)
            check_no_settings_file(args)
            ctx.default_map = settings
            return super().parse_args(ctx, args)

    return SettingsCommand


def _function(
    options: type,
    run: Run,
    doc: str,
    required: Collection[str],
    listing: Callable[[], None] | None,
) -> Callable[..., None]:
    """A function that Typer can register: its parameters are the fields of the options."""

    def call(**values: Any) -> None:
        if listing is not None:
            values.pop(LISTING)
        run(options(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}))

    parameters = [_parameter(field, field.name in required) for field in option_fields(options)]
    if listing is not None:
        parameters.append(_listing(listing))
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__doc__ = doc
    return call


def _listing(show: Callable[[], None]) -> inspect.Parameter:
    def stop(is_asked: bool) -> None:
        if is_asked:
            show()
            raise typer.Exit

    option = typer.Option(
        "--list", help="List what there is and stop.", is_eager=True, callback=stop
    )
    return inspect.Parameter(
        LISTING, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option]
    )


def _parameter(field: OptionField, required: bool) -> inspect.Parameter:
    """One keyword parameter as Typer reads it."""
    kind: Any = field.kind
    required = required or field.required
    default: Any = inspect.Parameter.empty if required else field.default
    if typing.get_origin(kind) is tuple:
        kind = list[typing.get_args(kind)[0]]  # type: ignore[misc]
        default = default if required else list(default)
    flag = field.flag
    names = (flag, f"--no-{flag.removeprefix('--')}") if kind is bool else (flag,)
    if field.is_argument:
        option: Any = typer.Argument(help=field.help, metavar=field.name.upper())
    else:
        option = typer.Option("/".join(names), help=field.help)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option],
    )
