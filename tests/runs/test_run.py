"""A run's folder and record after each kind of ending."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from trueline.files.errors import InputError
from trueline.ledger.client import LedgerClient
from trueline.ledger.sqlite import open_ledger
from trueline.models.contract import Transient
from trueline.policy.load import load
from trueline.records.store import dataset
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Message, Reject
from trueline.runs.context import RunContext
from trueline.runs.record import READ, RECORD, RunRecord
from trueline.runs.spec import RunSpec
from trueline.runs.stage import Item, Outcome, Rejected, Stage
from trueline.runs.write import write_run

GIVEN = [Example.new([Message("user", f"request {i}")]) for i in range(10)]


async def run(
    items: Iterable[Item],
    stages: list[Stage],
    out: Path,
    ledger: LedgerClient | None = None,
    **more: Any,
) -> RunRecord:
    spec = RunSpec("test", (), {}, {"test": True})
    return await write_run(items, stages, out, spec, RunContext(load(), None, ledger), **more)


async def test_rows_whose_calls_failed_for_now_are_owed_and_asked_for_again(tmp_path: Path) -> None:
    down = True

    async def call(example: Example) -> Outcome:
        if down and GIVEN.index(example) % 3 == 0:
            raise Transient("503")
        return example

    async def once() -> tuple[str, int, int]:
        record = await run(GIVEN, [Stage.of("call", call)], tmp_path / "out")
        return record.status, record.rows, record.rejects

    assert await once() == ("retryable", 6, 4)
    assert read_manifest(tmp_path / "out").state == "partial"
    down = False
    assert await once() == ("complete", 10, 0)
    assert [e.id for e in dataset.read(tmp_path / "out")] == [e.id for e in GIVEN]
    with pytest.raises(InputError, match="finished"):
        await once()


async def test_rows_that_could_not_be_read_have_a_stage_of_their_own(tmp_path: Path) -> None:
    items = [GIVEN[0], Reject("read", "not UTF-8", raw="x", detail="line 2"), GIVEN[1]]

    def turn_away(example: Example) -> Outcome:
        return Rejected(example, "odd") if example is GIVEN[1] else example

    record = await run(items, [Stage.of("mine", turn_away)], tmp_path / "out")
    first, second, _ = record.stages
    assert (first.name, first.seen, first.passed) == (READ, 3, 2)
    assert first.rejected == {"not UTF-8": 1} and second.rejected == {"odd": 1}
    assert (record.unreadable, record.rejects, record.rows) == (1, 2, 1)
    record = await run(GIVEN, [], tmp_path / "all")
    assert [stage.name for stage in record.stages] == ["policy"] and not record.unreadable


async def test_a_failing_card_leaves_the_folder_unfinished(tmp_path: Path) -> None:
    def finish(record: object) -> None:
        raise ValueError("no card")

    with pytest.raises(ValueError, match="no card"):
        await run(GIVEN, [], tmp_path, finish=finish)
    assert read_manifest(tmp_path).state == "partial"
    assert b'"failed"' in (tmp_path / RECORD).read_bytes()


async def test_a_ledger_that_cannot_be_written_is_in_the_record_and_so_is_the_first_failure(
    tmp_path: Path,
) -> None:
    ledger = await open_ledger(tmp_path / "l.sqlite", run="r")
    ledger._file.execute("PRAGMA busy_timeout=10")
    blocker = sqlite3.connect(tmp_path / "l.sqlite", isolation_level=None)

    async def ask(_start: int, _count: int) -> list[bytes]:
        return [b"{}"]

    async def call(example: Example) -> Outcome:
        if example is GIVEN[1]:
            blocker.execute("BEGIN IMMEDIATE")
        await ledger.once("m", [bytes.fromhex(example.id)], ask)
        return example

    with pytest.raises(InputError, match="the ledger cannot be written"):
        await run(
            GIVEN,
            [Stage.of("call", call, window=1)],
            tmp_path / "out",
            ledger=ledger,
        )
    record = json.loads((tmp_path / "out" / RECORD).read_bytes())
    # Once from the call that met it, once more from the close.
    assert record["status"] == "failed" and record["note"].count("cannot be written") == 2
    assert record["rows"] == read_manifest(tmp_path / "out").rows == 1
    blocker.execute("ROLLBACK")
    async with await open_ledger(tmp_path / "l.sqlite", run="r"):
        pass  # the lock was given back
