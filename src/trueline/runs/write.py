"""A run's stream into its folder, with a record of what happened to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from trueline.files.errors import InputError
from trueline.ledger.budget import BudgetSpent
from trueline.ledger.client import LedgerClient
from trueline.ledger.summary import Spend
from trueline.models.contract import ModelError
from trueline.policy.depend import contradictions
from trueline.records.store import dataset
from trueline.records.store.claim import claim
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Reject
from trueline.runs.context import RunContext
from trueline.runs.engine import Engine, LocalEngine, Stop, source
from trueline.runs.interrupt import interruptible
from trueline.runs.progress import Progress
from trueline.runs.record import (
    READ,
    RECORD,
    RunRecord,
    StageCount,
    now,
    write_record,
)
from trueline.runs.spec import RunSpec
from trueline.runs.stage import Item, Rejected, Stage, Step

MakeWriter = Callable[[Path, str], dataset.Writer]
"""Makes the Writer of a folder from it and the run's identity, which signs new labels."""

CONTINUES = "the same command continues it"
RETRY = (
    "the calls of {:,} rows failed for now: the same command asks for them again and for nothing "
    "else"
)
POLICY = "policy"
"""The last stage of every run."""
CONTRADICTS = "labels contradict the policy"


@dataclass
class _Ending:
    """How a stream ended; `failure` is raised once all that came before it is written."""

    status: str = "complete"
    note: str | None = None
    failure: BaseException | None = None

    def fail(self, error: Exception) -> None:
        """A later failure is noted beside the first, which is the one that is raised."""
        message = str(error) if isinstance(error, (InputError, ModelError)) else repr(error)
        message = "; ".join([message, *getattr(error, "__notes__", [])])
        if self.failure is None:
            self.status, self.note, self.failure = "failed", message, error
        else:
            self.note = f"{self.note}; then: {message}"

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """Within, an error is a failure of the run and does not keep it from ending well."""
        try:
            yield
        except Exception as error:
            self.fail(error)


class Counts:
    """What came out of the stages: each item says itself how far it came."""

    def __init__(self, stages: Sequence[str]) -> None:
        self.rejected: dict[str, Counter[str]] = {stage: Counter() for stage in stages}
        self.unreadable: Counter[str] = Counter()
        self.passed = self.retry_later = 0
        if len(self.rejected) < len(stages):
            raise ValueError(f"stages of one run need names of their own: {list(stages)}")

    def add(self, item: Item) -> None:
        if isinstance(item, Example):
            self.passed += 1
        elif isinstance(item, Reject):
            self.unreadable[item.reason] += 1
        else:
            self.rejected[item.stage][item.reason] += 1
            self.retry_later += item.retry_later

    def stages(self) -> list[StageCount]:
        """By stage, the last of which passed what came out."""
        counts: list[StageCount] = []
        passed = self.passed
        for name, rejected in reversed(self.rejected.items()):
            seen = passed + rejected.total()
            counts.append(StageCount(name, seen, passed, dict(rejected)))
            passed = seen
        if self.unreadable:
            seen = passed + self.unreadable.total()
            counts.append(StageCount(READ, seen, passed, dict(self.unreadable)))
        return counts[::-1]


async def write_run(
    items: Iterable[Item],
    stages: Sequence[Stage],
    out: Path,
    spec: RunSpec,
    context: RunContext,
    *,
    total: int | None = None,
    finish: Callable[[RunRecord], None] | None = None,
    observe: Callable[[Item], None] | None = None,
    quiet: bool = False,
    writer: MakeWriter = dataset.Writer,
    engine: Engine | None = None,
) -> RunRecord:
    """Send the items through the stages into the folder `out` and record the run.

    A last stage rejects what contradicts the policy.  `observe` sees every item that comes out.

    Ctrl-C stops cleanly: what is under way is finished and written.  A spent budget does the
    same.  Any other error is raised after what came through has been written.  The ledger is
    closed, so that the record can say all that was spent.  `writer` makes the Writer of a
    folder from it and the run's identity, which signs new labels.  `finish` gets the record
    after the stream, before the folder counts as complete (a card, say).
    """
    started = now()
    stages = [*stages, Stage(POLICY, reject_contradictions)]
    counts = Counts([stage.name for stage in stages])
    with (
        claim(out, spec.identity, f"trueline {spec.command}", spec.decisive),
        Progress(total, context.ledger, quiet) as progress,
    ):
        folder = writer(out, spec.identity)
        # The record of an earlier try tells of shards that are gone now.
        (out / RECORD).unlink(missing_ok=True)

        def write(item: Item) -> None:
            counts.add(item)
            if observe is not None:
                observe(item)
            progress.advance(_write_item(folder, item))

        ending = await _drain(items, stages, engine or LocalEngine(context), write)
        if ending.status == "complete" and counts.retry_later:
            ending = _Ending("retryable", RETRY.format(counts.retry_later))
        # A full disk: a shard that cannot be finished goes, and leaves room for what comes next.
        with ending.noting_errors():
            folder.close(complete=False)
        spend = await _close_ledger(context.ledger, ending)
        written = read_manifest(out)

        def record() -> RunRecord:
            return spec.record(
                started=started,
                rows=counts.passed if written.labels_only else written.rows,
                rejects=written.rejected,
                stages=counts.stages(),
                status=ending.status,
                note=ending.note,
                spend=spend,
            )

        if ending.status == "complete" and finish is not None:
            with ending.noting_errors():
                finish(record())
        done = record()
        with ending.noting_errors():
            write_record(done, out)
        if done.complete and ending.failure is None:
            # Last of all: a folder that calls itself complete has its record and its card.
            folder.close(complete=True)
    if ending.failure is not None:
        raise ending.failure
    return done


def reject_contradictions(context: RunContext) -> Step:
    """Rejects Examples whose labels contradict the policy."""

    def step(example: Example) -> Example | Rejected:
        if not example.labels:
            return example
        found = contradictions(example, context.policy)
        return Rejected(example, CONTRADICTS, "; ".join(found)) if found else example

    return step


def stored_reject(rejected: Rejected) -> Reject:
    """A rejection as it is stored, with the row that its Example came from."""
    source = rejected.example.source
    return Reject(
        step=rejected.stage,
        reason=rejected.reason,
        example=rejected.example,
        file=source.dataset if source else None,
        row=source.row if source else None,
        detail=rejected.detail,
    )


def _write_item(writer: dataset.Writer, item: Item) -> bool:
    """Whether the item went to the rejects."""
    if isinstance(item, Example):
        return writer.add(item) is not None
    writer.reject(stored_reject(item) if isinstance(item, Rejected) else item)
    return True


async def _drain(
    items: Iterable[Item],
    stages: Sequence[Stage],
    engine: Engine,
    write: Callable[[Item], None],
) -> _Ending:
    """Everything that comes through, written; no call is under way when this returns."""
    stop, ending = Stop(), _Ending()
    try:
        with interruptible(stop):
            async with aclosing(engine.stream(source(items, stop), stages)) as stream:
                async for item in stream:
                    write(item)
        if stop.asked:
            ending = _Ending("interrupted", CONTINUES)
    except BudgetSpent as error:
        ending = _Ending("budget", str(error))
    except asyncio.CancelledError as error:
        # If it was not our Ctrl-C, whoever cancelled waits to hear of it.
        ending = _Ending("interrupted", CONTINUES, None if stop.asked else error)
    except Exception as error:
        ending.fail(error)
    return ending


async def _close_ledger(ledger: LedgerClient | None, ending: _Ending) -> list[Spend]:
    if ledger is None:
        return []
    with ending.noting_errors():
        await ledger.close()
    with ending.noting_errors():
        return ledger.spend()
    return []
