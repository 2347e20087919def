"""What every recipe does once it has its input and its stages: bound them, or run them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trueline.policy.types import Policy
from trueline.recipes import card
from trueline.runs.context import bound_stages, format_bounds
from trueline.runs.options import RunOptions
from trueline.runs.record import RunRecord
from trueline.runs.run import open_run
from trueline.runs.stage import Item, Stage
from trueline.runs.sync import run_sync


def run_recipe(
    name: str,
    options: RunOptions,
    policy: Policy,
    items: Iterable[Item],
    stages: Sequence[Stage],
    rows: int,
) -> RunRecord | None:
    """Build a data set of the items, with its card, at `options.out`; `rows` is how many there are.

    None for a dry run, which prints what the run could cost at most, and sends nothing.
    """
    if options.dry_run:
        print(format_bounds(rows, run_sync(bound_stages(stages, policy))))
        return None
    return run_sync(_run(name, options, policy, items, stages, rows))


async def _run(
    name: str,
    options: RunOptions,
    policy: Policy,
    items: Iterable[Item],
    stages: Sequence[Stage],
    rows: int,
) -> RunRecord:
    async with open_run(f"build {name}", options, policy) as run:
        return await run.write(
            items, stages, total=rows, finish=lambda record: card.write(options.out, record)
        )
