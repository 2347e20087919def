"""`trueline build RECIPE`: every recipe is a command here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import typer

from trueline.cli.ending import fell_short, report
from trueline.cli.groups import Command, LazyGroup, Makers
from trueline.cli.options import make_command
from trueline.files import plugins
from trueline.recipes.registry import RECIPES
from trueline.runs.record import RunRecord


def format_run(record: RunRecord, out: Any) -> Iterator[str]:
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
            report(record, format_run(record, options.out), options.json)
            if fell_short(record):
                raise typer.Exit(1)

    return run


def _make(name: str) -> Command:
    recipe = plugins.find(RECIPES, name)
    return make_command(recipe.Options, _runner(recipe), recipe.__doc__ or "")


def _recipes() -> Makers:
    return {name: partial(_make, name) for name in plugins.names(RECIPES)}


command = LazyGroup(makers=_recipes, missing=_make, help="Make Examples by a recipe.")
