"""One run: a stream into a folder, with a record of what happened to it.

A run's identity is its command, inputs, models and versions, not its limits or caps: the same
command again continues its own unfinished output, because the ledger answers for free what was
paid for.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib.metadata
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import trueline
from trueline.flow.progress import Progress
from trueline.flow.stream import Item, Stage, Stop, source, through
from trueline.ledger.budget import BudgetSpent
from trueline.ledger.ledger import Ledger
from trueline.ledger.summary import Spend, summary
from trueline.records import folder
from trueline.records.atomic import fresh
from trueline.records.ids import digest
from trueline.records.types import Example, Reject

RECORD = "run.json"


class StageCount(Struct, frozen=True):
    """What one stage saw, let pass, and turned away by reason."""

    name: str
    seen: int
    passed: int
    rejected: dict[str, int]


class RunRecord(Struct, frozen=True):
    """What a run was and what came of it; stored as `run.json` in its folder.

    `status` is "complete", "interrupted", "budget" or "failed"; all but the first can be
    continued by the same command.  `rows` came out, `rejects` did not; times are UTC.
    """

    command: str
    identity: str
    config: dict[str, Any]
    versions: dict[str, str]
    status: str
    note: str | None
    rows: int
    rejects: int
    stages: list[StageCount]
    spend: list[Spend]
    started: str
    finished: str

    @property
    def complete(self) -> bool:
        return self.status == "complete"


def identity(command: str, **parts: Any) -> str:
    """A run's identity: equal exactly where the same work would be done again."""
    return digest([command, trueline.__version__, parts])


def versions() -> dict[str, str]:
    """Versions of what the outcome may depend on, where installed."""
    found = {"trueline": trueline.__version__, "python": platform.python_version()}
    for name in ("torch", "transformers", "trl", "peft", "pyarrow", "rensa"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


async def run(
    items: Iterable[Item],
    stages: list[Stage],
    out: Path,
    *,
    command: str,
    identity: str,
    config: dict[str, Any],
    ledger: Ledger | None = None,
    total: int | None = None,
    finish: Callable[[], None] | None = None,
    quiet: bool = False,
) -> RunRecord:
    """Send the items through the stages into the folder `out` and record the run.

    Ctrl-C stops cleanly: what is under way is finished and written.  A spent budget does the
    same.  Any other error is raised after what came through has been written.  The ledger is
    closed, so that the record can say all that was spent.  `finish` runs after the stream, before
    the folder counts as complete (a card, say).
    """
    started = now()
    stop = Stop()
    status, note, failure = "complete", None, None
    with folder.claim(out, identity, command), Progress(total, ledger, quiet) as progress:
        writer = folder.Writer(out)
        try:
            with interruptible(stop):
                async for item in through(source(items, stop), stages):
                    if isinstance(item, Example):
                        writer.add(item)
                    else:
                        writer.reject(item)
                    progress.advance(rejected=isinstance(item, Reject))
            if stop.asked:
                status, note = "interrupted", "the same command continues it"
        except BudgetSpent as error:
            status, note = "budget", str(error)
        except asyncio.CancelledError:
            status, note = "interrupted", "the same command continues it"
        except Exception as error:
            status, note, failure = "failed", f"{type(error).__name__}: {error}", error
        writer.close(complete=False)
        written = folder.manifest(out)
        record = RunRecord(
            command=command,
            identity=identity,
            config=config,
            versions=versions(),
            status=status,
            note=note,
            rows=written.rows,
            rejects=written.rejected,
            stages=[StageCount(s.name, s.seen, s.passed, dict(s.reasons)) for s in stages],
            spend=await _spend(ledger),
            started=started,
            finished=now(),
        )
        with fresh(out / RECORD) as file:
            file.write(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
        if record.complete:
            if finish is not None:
                finish()
            # Last of all: a folder that calls itself complete has its record and its card.
            writer.close(complete=True)
    if failure is not None:
        raise failure
    return record


async def _spend(ledger: Ledger | None) -> list[Spend]:
    if ledger is None:
        return []
    await ledger.close()
    return [spend for spend in summary(ledger.path) if spend.run == ledger.run]


def now() -> str:
    """The time in UTC, to the second, as records carry it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """Within: the first Ctrl-C (or SIGTERM) asks to stop, the second cancels what is under way.

    Only the main thread may set signal handlers; elsewhere the caller's own apply.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.asked and task is not None:
            task.cancel()
        stop.asked = True
        print("\nstopping: finishing what is under way (again: at once)", file=sys.stderr)

    signals = (signal.SIGINT, signal.SIGTERM) if os.name == "posix" else ()
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
