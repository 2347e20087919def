"""Deletes answers from the ledger.

Answers go by the conditions of a `PruneFilter`.  The records of spending, that is attempts and
hits, stay, so that no cap can be passed by forgetting what was spent; if they are to go too, they
go by whole runs: the account of a run is complete or gone.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.ledger import lock
from trueline.ledger.store import connect, unreadable


class PruneFilter(Struct, frozen=True, kw_only=True):
    """Which answers go: those that meet every condition; `before` is a Unix time in seconds."""

    run: str | None = None
    model: str | None = None
    before: float | None = None


class Answers(Struct, frozen=True):
    """Answers of one run and model that go, and what they had cost: their share in what the run
    paid for all its answers of the model (0 if that is not known any more)."""

    run: str
    model: str
    answers: int
    bytes: int
    tokens: float
    money: float


class Pruned(Struct, frozen=True):
    """What went, or would go: answers, and the runs whose attempts and hits do; `freed` is how
    many bytes the file got smaller."""

    answers: list[Answers]
    runs: list[str]
    freed: int = 0


_CHOSEN = """(:run IS NULL OR run = :run) AND (:model IS NULL OR model = :model)
             AND (:before IS NULL OR time IS NULL OR time < :before)"""
_ANSWERS = f"""
WITH gone AS (
    SELECT run, model, count(*) AS answers, sum(length(answer)) AS bytes, min(rowid) AS first
    FROM answers WHERE {_CHOSEN} GROUP BY run, model
), paid AS (
    SELECT run, model, sum(prompt + completion) * 1.0 / sum(answers) AS tokens,
           sum(money) / sum(answers) AS money
    FROM attempts WHERE outcome = 'answered' AND answers > 0 GROUP BY run, model
)
SELECT run, model, answers, bytes, answers * coalesce(tokens, 0), answers * coalesce(money, 0)
FROM gone LEFT JOIN paid USING (run, model) ORDER BY first
"""
# Hits bear no time: they are as old as their run's attempts, and without any they have no age.
_RUNS = f"""
SELECT run FROM (
    SELECT run, model, time FROM attempts UNION ALL SELECT run, model, NULL FROM hits
) GROUP BY run
HAVING min({_CHOSEN}) AND (:before IS NULL OR count(time)) ORDER BY run
"""
_TO_FILE = "PRAGMA wal_checkpoint(TRUNCATE)"
_KNOWN = """SELECT {0} FROM attempts UNION SELECT {0} FROM hits UNION SELECT {0} FROM answers"""


def preview_prune(path: Path, conditions: PruneFilter, *, attempts: bool = False) -> Pruned:
    """What `prune` would delete; reads only, and needs no lock."""
    with closing(connect(path, write=False)) as opened:
        try:
            return _chosen(opened, path, conditions, attempts)
        except sqlite3.Error as error:
            raise unreadable(path, error) from error


async def prune(path: Path, conditions: PruneFilter, *, attempts: bool = False) -> Pruned:
    """Delete the answers that meet the conditions, and give their room back to the disk.

    Requesting them again costs again.  With `attempts`, the attempts and hits of each run of which
    nothing else is left go too: its caps count from zero.  Waits while a run has the ledger.
    Raises InputError if there is no condition, and for an unknown run or model.
    """
    preview_prune(path, conditions, attempts=attempts)  # what is wrong is told without waiting
    descriptor = await lock.acquire(path, "ledger prune")
    try:
        with closing(connect(path, write=True)) as opened:
            try:
                return _prune(opened, path, conditions, attempts)
            except sqlite3.Error as error:
                raise unreadable(path, error) from error
    finally:
        lock.release(descriptor)


def _prune(
    opened: sqlite3.Connection, path: Path, conditions: PruneFilter, attempts: bool
) -> Pruned:
    opened.execute(_TO_FILE)
    before = path.stat().st_size
    opened.execute("BEGIN IMMEDIATE")
    found = _chosen(opened, path, conditions, attempts)
    opened.execute(f"DELETE FROM answers WHERE {_CHOSEN}", _values(conditions))
    for table in ("attempts", "hits"):
        opened.executemany(f"DELETE FROM {table} WHERE run = ?", ((run,) for run in found.runs))
    opened.execute("COMMIT")
    try:
        opened.execute("VACUUM")
        opened.execute(_TO_FILE)
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: what was chosen is out, but its room was not given back ({error}): that "
            "takes as much free room as the ledger has; make some, then run "
            "`trueline ledger prune --older-than 9999w`"
        ) from error
    return Pruned(found.answers, found.runs, before - path.stat().st_size)


def _chosen(
    opened: sqlite3.Connection, path: Path, conditions: PruneFilter, attempts: bool
) -> Pruned:
    if conditions == PruneFilter():
        raise InputError("nothing is chosen: name a run, a model or an age")
    for name in ("run", "model"):
        given = getattr(conditions, name)
        known = f"SELECT ? IN ({_KNOWN.format(name)})"
        if given is not None and not opened.execute(known, (given,)).fetchone()[0]:
            raise InputError(f"{path}: there is no {name} {given!r}; `trueline ledger` lists them")
    values = _values(conditions)
    answers = [Answers(*row) for row in opened.execute(_ANSWERS, values)]
    runs = opened.execute(_RUNS, values) if attempts else ()
    return Pruned(answers, [run for (run,) in runs])


def _values(conditions: PruneFilter) -> dict[str, str | float | None]:
    return {"run": conditions.run, "model": conditions.model, "before": conditions.before}
