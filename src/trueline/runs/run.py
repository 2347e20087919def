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
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import trueline
from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.ledger.budget import BudgetSpent
from trueline.ledger.sqlite import Ledger
from trueline.ledger.summary import Spend, summary
from trueline.models.contract import ModelError
from trueline.policy.depend import contradictions
from trueline.policy.load import load
from trueline.policy.types import Policy
from trueline.records.store import dataset
from trueline.records.store.claim import claim
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Reject
from trueline.runs.progress import Progress, say
from trueline.runs.stream import Item, Stage, Stop, source, through

RECORD = "run.json"
READ = "read"
"""The stage that stands before all others where rows came in that are none: unreadable ones."""


class StageCount(Struct, frozen=True):
    """What one stage saw, let pass, and turned away by reason."""

    name: str
    seen: int
    passed: int
    rejected: dict[str, int]


class RunRecord(Struct, frozen=True):
    """What a run was and what came of it; stored as `run.json` in its folder.

    `status` is "complete", "owed" (calls failed for now), "interrupted", "budget" or "failed";
    all but the first can be continued by the same command.  `rows` came out, `rejects` did not;
    `stages` begin with READ where there were rows that no stage could be given; times are UTC.
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

    @property
    def unreadable(self) -> int:
        """Rows that no stage could be given; where a file breaks off, one stands for all after."""
        return sum(sum(s.rejected.values()) for s in self.stages if s.name == READ)


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


CONTINUES = "the same command continues it"
CONTRADICTS = "labels contradict the policy"


@dataclass
class _Outcome:
    """How a stream ended; `failure` is raised once all that came before it is written."""

    status: str = "complete"
    note: str | None = None
    failure: BaseException | None = None

    def failed(self, error: Exception) -> None:
        """A later failure is noted beside the first, which is the one that is raised."""
        told = str(error) if isinstance(error, (InputError, ModelError)) else repr(error)
        told = "; ".join([told, *getattr(error, "__notes__", [])])
        if self.failure is None:
            self.status, self.note, self.failure = "failed", told, error
        else:
            self.note = f"{self.note}; then: {told}"

    @contextmanager
    def although(self) -> Iterator[None]:
        """Within, an error is a failure of the run and does not keep it from ending well."""
        try:
            yield
        except Exception as error:
            self.failed(error)


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
    finish: Callable[[RunRecord], None] | None = None,
    quiet: bool = False,
    policy: Policy | None = None,
    writer: Callable[[Path, str], dataset.Writer] | None = None,
) -> RunRecord:
    """Send the items through the stages into the folder `out` and record the run.

    Behind the stages stands one more: what contradicts the `policy` (trueline's own where none is
    given) is turned away.

    Ctrl-C stops cleanly: what is under way is finished and written.  A spent budget does the
    same.  Any other error is raised after what came through has been written.  The ledger is
    closed, so that the record can say all that was spent.  `writer` makes the Writer of a
    folder from it and the run's identity, which signs new labels.  `finish` gets the record
    after the stream, before the folder counts as complete (a card, say).
    """
    started, stages, read = now(), [*stages, consistent(policy)], Stage(READ)
    with claim(out, identity, command), Progress(total, ledger, quiet) as progress:
        written_by = (writer or dataset.Writer)(out, identity)
        # The record of an earlier try tells of shards that are gone now.
        (out / RECORD).unlink(missing_ok=True)
        outcome = await _streamed(_counted(items, read), stages, written_by, progress)
        # A full disk: a shard that cannot be finished goes, and leaves room for what comes next.
        with outcome.although():
            written_by.close(complete=False)
        spend = await _spend(ledger, outcome)
        written = read_manifest(out)
        told = [read, *stages] if read.reasons else stages

        def record() -> RunRecord:
            return RunRecord(
                command=command,
                identity=identity,
                config=config,
                versions=versions(),
                status=outcome.status,
                note=outcome.note,
                rows=stages[-1].passed if written.labels_only else written.rows,
                rejects=written.rejected,
                stages=[StageCount(s.name, s.seen, s.passed, dict(s.reasons)) for s in told],
                spend=spend,
                started=started,
                finished=now(),
            )

        if outcome.status == "complete" and finish is not None:
            with outcome.although():
                finish(record())
        done = record()
        with outcome.although(), atomic_write(out / RECORD) as file:
            file.write(msgspec.json.format(msgspec.json.encode(done), indent=2) + b"\n")
        if done.complete and outcome.failure is None:
            # Last of all: a folder that calls itself complete has its record and its card.
            written_by.close(complete=True)
    if outcome.failure is not None:
        raise outcome.failure
    return done


def consistent(policy: Policy | None = None) -> Stage:
    """The stage that no Example passes whose labels contradict the policy (trueline's own where
    none is given); the Reject names the file and the row that it came from."""

    def step(example: Example) -> Item:
        if not example.labels:
            return example
        found = contradictions(example, policy if policy is not None else load())
        if not found:
            return example
        source = example.source
        return Reject(
            "policy",
            CONTRADICTS,
            example,
            file=source.dataset if source else None,
            row=source.row if source else None,
            detail="; ".join(found),
        )

    return Stage("policy", step)


def _counted(items: Iterable[Item], read: Stage) -> Iterator[Item]:
    for item in items:
        read.count(item)
        yield item


async def _streamed(
    items: Iterable[Item], stages: list[Stage], writer: dataset.Writer, progress: Progress
) -> _Outcome:
    """Everything that comes through, written; no call is under way when this returns."""
    stop, outcome = Stop(), _Outcome()
    try:
        with interruptible(stop):
            async with aclosing(through(source(items, stop), stages)) as stream:
                async for item in stream:
                    if isinstance(item, Example):
                        turned_away = writer.add(item) is not None
                    else:
                        turned_away = True
                        writer.reject(item)
                    progress.advance(turned_away)
        owed = sum(stage.owed for stage in stages)
        if stop.asked:
            outcome = _Outcome("interrupted", CONTINUES)
        elif owed:
            again = "the same command asks for them again and for nothing else"
            outcome = _Outcome("owed", f"the calls of {owed:,} rows failed for now: {again}")
    except BudgetSpent as error:
        outcome = _Outcome("budget", str(error))
    except asyncio.CancelledError as error:
        # Where it was not our Ctrl-C, whoever cancelled waits to hear of it.
        outcome = _Outcome("interrupted", CONTINUES, None if stop.asked else error)
    except Exception as error:
        outcome.failed(error)
    return outcome


async def _spend(ledger: Ledger | None, outcome: _Outcome) -> list[Spend]:
    if ledger is None:
        return []
    with outcome.although():
        await ledger.close()
    with outcome.although():
        return [spent for spent in summary(ledger.path) if spent.run == ledger.run]
    return []


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
        say("\nstopping: finishing what is under way (again: at once)\n")

    signals = (signal.SIGINT, signal.SIGTERM) if os.name == "posix" else ()
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
