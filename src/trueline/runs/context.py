"""What every recipe's run needs beside the recipe: models behind a ledger, caps, a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from trueline.files.hashing import digest
from trueline.ledger.sqlite import Ledger, open_ledger
from trueline.models.contract import Model
from trueline.models.open import open_model, without_key
from trueline.policy.types import Policy
from trueline.records.store.dataset import Writer
from trueline.runs import run as flow
from trueline.runs.options import RunOptions, decisive, settings
from trueline.runs.stream import Item, Stage


class Setup:
    """A run that is about to start: its models, opened behind one ledger."""

    def __init__(
        self, command: str, options: RunOptions, inputs: dict[str, Any], ledger: Ledger
    ) -> None:
        self.command, self.options, self.inputs, self.ledger = command, options, inputs, ledger
        self.models: dict[str, Model] = {}

    @property
    def window(self) -> int:
        """Examples under way: enough that a slow call at the head does not idle the rest."""
        return 4 * self.options.concurrency

    def model(self, name: str) -> Model:
        """The model of this name, opened once."""
        if name not in self.models:
            self.models[name] = open_model(
                name,
                self.ledger,
                concurrency=self.options.concurrency,
                timeout_s=self.options.timeout,
                hedge_s=self.options.hedge_after,
            )
        return self.models[name]

    async def run(
        self,
        items: Iterable[Item],
        stages: list[Stage],
        total: int | None = None,
        finish: Callable[[flow.RunRecord], None] | None = None,
        policy: Policy | None = None,
        writer: Callable[[Path, str], Writer] | None = None,
        **instruments: str,
    ) -> flow.RunRecord:
        """Run the stages into the output folder; hashes of instruments are part of the run's
        identity, as its models' are."""
        identities = {without_key(n): model.identity for n, model in sorted(self.models.items())}
        return await flow.run(
            items,
            stages,
            self.options.out,
            command=f"trueline {self.command}",
            identity=flow.identity(
                self.command, options=self.inputs, models=identities, **instruments
            ),
            config={**settings(self.options), "models": identities, **instruments},
            ledger=self.ledger,
            total=total,
            finish=finish,
            quiet=self.options.quiet,
            policy=policy,
            writer=writer,
        )


@asynccontextmanager
async def setup(command: str, options: RunOptions) -> AsyncIterator[Setup]:
    """Open the ledger for a run and close what was opened for it.

    The budget counts over all runs of this command with these settings into this folder.
    """
    inputs = decisive(options)
    out = options.out.resolve()
    name = f"{command} {out.name} {digest([command, inputs, str(out)])[:8]}"
    async with await open_ledger(options.ledger, run=name, budget=options.budget()) as ledger:
        made = Setup(command, options, inputs, ledger)
        try:
            yield made
        finally:
            for model in made.models.values():
                await model.close()


def dry_run(rows: int, most: dict[str, tuple[int, int]]) -> str:
    """The most that a run could cost, as a table; `most` gives calls and tokens a row by model."""
    lines = [
        f"at most, for {rows:,} rows, before retries (hits in the ledger are free, rejects cost "
        "less):"
    ]
    calls = tokens = 0
    for name, (per_row, out) in most.items():
        lines.append(f"  {name}: {rows * per_row:,} calls, {rows * out:,} completion tokens")
        calls, tokens = calls + rows * per_row, tokens + rows * out
    return "\n".join([*lines, f"  in all: {calls:,} calls, {tokens:,} completion tokens"])
