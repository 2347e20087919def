"""Groups of commands that are made when they are called; this module loads Typer and no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from typer.core import TyperCommand, TyperGroup

from trueline.files.text import escape_terminal

Command = TyperCommand | TyperGroup
Makers = Mapping[str, Callable[[], Command]]
"""Commands by name, each made when it is called."""


class LazyGroup(TyperGroup):
    """A group that knows its commands by name, and makes them when they are called.

    `summaries` has the help lines of those that are listed without being made; `missing` makes a
    command of any other name, or raises what is to be said of it.
    """

    def __init__(
        self,
        *,
        makers: Callable[[], Makers],
        summaries: Mapping[str, str] | None = None,
        missing: Callable[[str], Command] | None = None,
        no_args_is_help: bool = True,
        **settings: Any,
    ) -> None:
        settings |= {"rich_markup_mode": None, "no_args_is_help": no_args_is_help}
        super().__init__(**settings)
        self._makers, self._summaries, self._missing = makers, summaries or {}, missing

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self._makers())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if make := self._makers().get(cmd_name):
            return make()
        return self._missing(cmd_name) if self._missing else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [
            (name, escape_terminal(self._summaries.get(name) or make().get_short_help_str(80)))
            for name, make in self._makers().items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
