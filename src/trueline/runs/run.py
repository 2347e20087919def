"""One run: what its stages are made with, and the folder that they fill.

    async with open_run("build mine", options, policy) as run:
        record = await run.write(items, stages, total=rows)

A run's identity is its command, inputs, models and versions, not its limits or caps: the same
command again continues its own unfinished output, because the ledger answers for free what was
paid for.  `spec` says what a run is, `write` what comes of it.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from trueline.files.hashing import digest
from trueline.ledger.client import LedgerClient
from trueline.ledger.sqlite import open_ledger
from trueline.policy.types import Policy
from trueline.records.store import dataset
from trueline.runs.context import RunContext
from trueline.runs.engine import Engine, LocalEngine
from trueline.runs.options import Caps, HashPath, Output, RunOptions, decisive, file_digest
from trueline.runs.record import Input, RunRecord
from trueline.runs.spec import specify_run
from trueline.runs.stage import Item, Stage
from trueline.runs.write import MakeWriter, write_run


class Run(RunContext):
    """A run that is about to start: what its stages are made with, where it writes, and the engine
    that runs it."""

    def __init__(
        self, command: str, options: Output, policy: Policy, ledger: LedgerClient | None = None
    ) -> None:
        super().__init__(policy, options if isinstance(options, Caps) else None, ledger)
        self.command, self.options = command, options
        self.engine: Engine = LocalEngine(self)
        self.hash_path: HashPath = functools.cache(file_digest)  # every input is hashed once

    async def write(
        self,
        items: Iterable[Item],
        stages: Sequence[Stage],
        *,
        total: int | None = None,
        finish: Callable[[RunRecord], None] | None = None,
        observe: Callable[[Item], None] | None = None,
        writer: MakeWriter = dataset.Writer,
        inputs: Iterable[Input] = (),
        **more: Any,
    ) -> RunRecord:
        """Run the stages into the output folder.

        Stages are made first: a fault in a name or a file is found before the folder is begun.
        `more` is what the run's identity depends on beside options, inputs and models.
        """
        for stage in stages:
            await self.make(stage)
        given = (*inputs, *self.inputs())
        spec = specify_run(self.command, self.options, given, self.hash_path, **more)
        return await write_run(
            items,
            stages,
            self.options.out,
            spec,
            self,
            total=total,
            finish=finish,
            observe=observe,
            quiet=self.options.quiet,
            writer=writer,
            engine=self.engine,
        )


@asynccontextmanager
async def open_run(command: str, options: RunOptions, policy: Policy) -> AsyncIterator[Run]:
    """Open the ledger for a run and close what was opened for it.

    The budget counts over all runs of this command with these settings into this folder.
    """
    out, hash_path = options.out.resolve(), functools.cache(file_digest)
    settings = decisive(options, hash_path)
    name = f"{command} {out.name} {digest([command, settings, str(out)])[:8]}"
    async with (
        await open_ledger(options.ledger, run=name, budget=options.budget()) as ledger,
        Run(command, options, policy, ledger) as run,
    ):
        run.hash_path = hash_path
        yield run
