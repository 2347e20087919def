"""`trueline build RECIPE`: every recipe of the build room is a command here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import typer

from trueline.cli.ending import fell_short, report
from trueline.cli.options import command
from trueline.recipes.registry import recipes
from trueline.runs.record import RunRecord

app = typer.Typer(help="Make Examples by a recipe.", no_args_is_help=True, rich_markup_mode=None)


def told(record: RunRecord, out: Any) -> Iterator[str]:
    """What came of a run, in lines for a person."""
    yield f"{record.rows:,} Examples, {record.rejects:,} rejects in {out}"
    width = max(len(stage.name) for stage in record.stages)
    for stage in record.stages:
        rate = f"{stage.passed / stage.seen:7.1%}" if stage.seen else "      –"
        reasons = "; ".join(f"{why} {n:,}" for why, n in stage.rejected.items())
        counts = f"{stage.passed:,}/{stage.seen:,}"
        yield f"  {stage.name:{width}} {counts:>15} {rate}  {reasons}".rstrip()


def _runner(recipe: ModuleType) -> Callable[[Any], None]:
    def run(options: Any) -> None:
        record = recipe.build(options)
        if record is not None:  # a dry run has said what it has to say
            report(record, told(record, options.out), options.json)
            if fell_short(record):
                raise typer.Exit(1)

    return run


for _name, _recipe in recipes().items():
    app.command(_name)(command(_recipe.Options, _runner(_recipe), _recipe.__doc__ or ""))
