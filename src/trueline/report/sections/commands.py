"""The command lines that train, evaluate and compare again, as they were recorded."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msgspec import Struct

from trueline.report.pairs import ModelSide, Pair
from trueline.report.svg.curves import Training


class Command(Struct, frozen=True):
    """A command line, and what it makes."""

    makes: str
    line: str


def list_commands(
    trainings: Sequence[Training], models: Sequence[ModelSide], pairs: Sequence[Pair], page: str
) -> list[Command]:
    """The command lines that lead to the page; `page` is the one that wrote it ("": unknown)."""
    commands = [
        Command(f"Trains {t.pair.treated.mark}:", shlex.join(t.argv)) for t in trainings if t.argv
    ]
    commands += [Command(f"Evaluates {m.mark}:", shlex.join(m.results.argv)) for m in models]
    if page:
        return [*commands, Command("Compares, and writes this page:", page)]
    return commands + [
        Command(
            f"Compares {p.treated.mark} with {p.base.mark}:",
            shlex.join(["trueline", "compare", p.base.folder, p.treated.folder]),
        )
        for p in pairs
    ]
