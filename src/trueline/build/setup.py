"""What every recipe's run needs beside the recipe: models behind a ledger, caps, a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trueline.flow import run as flow
from trueline.flow.stream import Item, Stage
from trueline.ledger.budget import Budget, Price
from trueline.ledger.ledger import Ledger, open_ledger
from trueline.models.contract import Model
from trueline.models.open import open_model
from trueline.records.ids import digest

# Not part of a run's identity: they bound it, place it or show it, and change no answer.
LIMITS = frozenset(
    "out ledger limit max_calls max_tokens max_money price_in price_out concurrency dry_run json "
    "quiet".split()
)


class RunOptions(Struct, frozen=True, kw_only=True):
    """Options that every run with models has."""

    out: Annotated[Path, Meta(description="The folder for the new data set.")]
    ledger: Annotated[Path, Meta(description="Where calls are recorded.")] = Path(
        ".trueline/ledger.sqlite"
    )
    max_calls: Annotated[int | None, Meta(description="Send at most so many calls.")] = None
    max_tokens: Annotated[int | None, Meta(description="Spend at most so many tokens.")] = None
    max_money: Annotated[float | None, Meta(description="Spend at most so much money.")] = None
    price_in: Annotated[
        float | None, Meta(description="Money for a million prompt tokens at endpoints.")
    ] = None
    price_out: Annotated[
        float | None, Meta(description="Money for a million completion tokens.")
    ] = None
    concurrency: Annotated[int, Meta(description="Calls under way at a time.")] = 64
    dry_run: Annotated[bool, Meta(description="Print the most it could cost; send nothing.")] = (
        False
    )
    json: Annotated[bool, Meta(description="Report as JSON.")] = False
    quiet: Annotated[bool, Meta(description="No progress on stderr.")] = False

    def budget(self) -> Budget:
        """The caps; both prices are needed for one on money."""
        prices = {}
        if self.price_in is not None and self.price_out is not None:
            prices["*"] = Price(self.price_in, self.price_out)
        return Budget(self.max_calls, self.max_tokens, self.max_money, prices)


class Setup:
    """A run that is about to start: its models, opened behind one ledger."""

    def __init__(self, command: str, options: RunOptions, inputs: str, ledger: Ledger) -> None:
        self.command, self.options, self.inputs, self.ledger = command, options, inputs, ledger
        self.models: dict[str, Model] = {}

    @property
    def window(self) -> int:
        """Examples under way: enough that a slow call at the head does not idle the rest."""
        return 4 * self.options.concurrency

    def model(self, name: str) -> Model:
        """The model of this name, opened once."""
        if name not in self.models:
            self.models[name] = open_model(name, self.ledger, concurrency=self.options.concurrency)
        return self.models[name]

    async def run(
        self,
        items: Iterable[Item],
        stages: list[Stage],
        total: int | None = None,
        finish: Callable[[], None] | None = None,
    ) -> flow.RunRecord:
        """Run the stages into the output folder."""
        config = settings(self.options)
        identities = {name: model.identity for name, model in sorted(self.models.items())}
        kept = {k: v for k, v in config.items() if k not in LIMITS}
        return await flow.run(
            items,
            stages,
            self.options.out,
            command=f"trueline {self.command}",
            identity=flow.identity(
                self.command, inputs=self.inputs, options=kept, models=identities
            ),
            config={**config, "inputs": self.inputs, "models": identities},
            ledger=self.ledger,
            total=total,
            finish=finish,
            quiet=self.options.quiet,
        )


@asynccontextmanager
async def setup(command: str, options: RunOptions, inputs: str) -> AsyncIterator[Setup]:
    """Open the ledger for a run and close what was opened for it.

    The budget counts over all runs of this command with these settings into this folder.
    """
    kept = {k: v for k, v in settings(options).items() if k not in LIMITS}
    where = digest([command, kept, inputs, str(options.out.resolve())])[:8]
    name = f"{command} {options.out.name} {where}"
    async with await open_ledger(options.ledger, run=name, budget=options.budget()) as ledger:
        made = Setup(command, options, inputs, ledger)
        try:
            yield made
        finally:
            for model in made.models.values():
                await model.close()


def settings(options: RunOptions) -> dict[str, Any]:
    """The options as plain data."""
    found = msgspec.to_builtins(options, enc_hook=str)
    assert isinstance(found, dict)
    return found


def dry_run(rows: int, most: dict[str, tuple[int, int]]) -> str:
    """The most that a run could cost, as a table; `most` gives calls and tokens a row by model."""
    lines = [f"at most, for {rows:,} rows (hits in the ledger are free, rejects cost less):"]
    calls = tokens = 0
    for name, (per_row, out) in most.items():
        lines.append(f"  {name}: {rows * per_row:,} calls, {rows * out:,} completion tokens")
        calls, tokens = calls + rows * per_row, tokens + rows * out
    return "\n".join([*lines, f"  in all: {calls:,} calls, {tokens:,} completion tokens"])
