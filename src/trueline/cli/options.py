"""A command from an options class: a recipe or a training method declares its options once.

Every field `Annotated[type, msgspec.Meta(description=...)]` becomes `--field-name`; a field
without a default is required, and `extra={"argument": True}` makes it an argument.  So a new
recipe or method brings its command with it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import MISSING, is_dataclass
from typing import Annotated, Any

import msgspec
import typer

from trueline.runs.options import OptionField, option_fields


def command(options: type, run: Callable[[Any], None], doc: str) -> Any:
    """A function that Typer can register: its parameters are the fields of the options, and it
    calls `run` with them."""
    fields = option_fields(options) if is_dataclass(options) else _struct_fields(options)
    parameters = [_parameter(field) for field in fields]

    def call(**given: Any) -> None:
        for name, value in given.items():
            if isinstance(value, list):
                given[name] = tuple(value)
        run(options(**given))

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__doc__ = doc
    return call


def _struct_fields(options: type[msgspec.Struct]) -> list[OptionField]:
    kinds = typing.get_type_hints(options)  # without what only msgspec checks
    hints = typing.get_type_hints(options, include_extras=True)
    found = []
    for field in msgspec.structs.fields(options):
        hint = hints[field.name]
        notes = typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()
        described = (note.description for note in notes if isinstance(note, msgspec.Meta))
        text = next((d for d in described if d), "")
        default = MISSING if field.required else field.default
        found.append(OptionField(field.name, kinds[field.name], text, default, False, True))
    return found


def _parameter(field: OptionField) -> inspect.Parameter:
    """One keyword parameter as Typer reads it; tuples are options that may be repeated."""
    kind: Any = field.kind
    default: Any = inspect.Parameter.empty if field.required else field.default
    if typing.get_origin(kind) is tuple:
        kind = list[typing.get_args(kind)[0]]  # type: ignore[misc]
        default = default if field.required else list(default)
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
