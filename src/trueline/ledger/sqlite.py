"""The ledger: every model call is recorded by one writer, paid once and resumed for free.

An answer is handed on only after its commit.  Whatever has accumulated is committed together,
COMMIT_S after the first of it, or at the event loop's next turn where an attempt under a cap waits
to be sent.  The commit runs on the event loop itself: without waiting for the disk it takes tens of
microseconds, while a thread would wait up to 5 ms for the interpreter lock at every statement.
What could not be committed stays queued, and nothing more is sent until it is.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from trueline.files.atomic import os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.ledger import lock, store
from trueline.ledger.budget import Account, Bound, Budget
from trueline.ledger.client import Ask
from trueline.ledger.summary import Spend, summary

COMMIT_S = 0.005

_ANSWER = "INSERT OR IGNORE INTO answers (key, run, model, time, answer) VALUES (?, ?, ?, ?, ?)"
_BEGIN = "INSERT INTO attempts VALUES (?, ?, ?, ?, 'sent', NULL, ?, ?, ?, 0, 0)"
_END = """UPDATE attempts SET outcome = ?, error = ?, prompt = ?, completion = ?, money = ?,
          seconds = ?, answers = ? WHERE id = ?"""
_HITS = """INSERT INTO hits VALUES (?, ?, ?)
           ON CONFLICT (run, model) DO UPDATE SET hits = hits + excluded.hits"""


class _Sent(Struct, frozen=True):
    """An attempt in flight."""

    model: str
    most: Bound
    paid: bool
    reserved: dict[str, float]
    since: float


class Ledger:
    """A run's client of the ledger: make one with `open_ledger`, share it, and close it."""

    def __init__(
        self, path: Path, run: str, budget: Budget, opened: sqlite3.Connection, descriptor: int
    ) -> None:
        self.path, self.run = path, run
        self._file, self._lock = opened, descriptor
        spent = "SELECT count(*), total(prompt + completion), total(money) FROM attempts"
        calls, tokens, money = opened.execute(f"{spent} WHERE run = ?", (run,)).fetchone()
        self.account = Account(budget, calls, int(tokens), money)
        last: int = opened.execute("SELECT coalesce(max(id), 0) FROM attempts").fetchone()[0]
        self._ids = itertools.count(last + 1)
        self._sent: dict[int, _Sent] = {}
        self._flights: dict[bytes, asyncio.Future[BaseException | None]] = {}
        self._landing: set[bytes] = set()  # flights whose answers are queued
        self._hits: Counter[str] = Counter()
        self._rows: list[tuple[str, tuple[object, ...]]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: tuple[asyncio.AbstractEventLoop, asyncio.Handle, bool] | None = None
        self._unwritten = False  # the last commit failed

    async def __aenter__(self) -> Ledger:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Writes what is queued and the hits, and lets the next run in."""
        if self._lock < 0:
            return
        try:
            self._commit(hits=True)
        finally:
            self._file.close()
            lock.release(self._lock)
            self._lock = -1

    def spend(self) -> list[Spend]:
        """What the run has spent, by model; see `LedgerClient.spend`."""
        return [spent for spent in summary(self.path) if spent.run == self.run]

    # ---- answers: paid once ------------------------------------------------------------------

    async def once(self, model: str, keys: Sequence[bytes], ask: Ask) -> list[bytes]:
        """The answers filed under `keys`, asking only for those that nobody has paid for yet.

        `ask(start, count)` fetches the answers of `keys[start : start + count]` and may return
        fewer (at least one): what it returned is committed before it is asked for the rest.  A
        key that another task is asking for is waited for; that task's error is raised here too.
        """
        asked: set[int] = set()
        if self._timer is not None and self._timer[0] is not asyncio.get_running_loop():
            self._flush()  # another loop ended before it could
        while True:
            self._writable()
            found = [self._read(key) for key in keys]
            missing = [i for i, answer in enumerate(found) if answer is None]
            if not missing:
                self._hits[model] += len(keys) - len(asked)
                return [answer for answer in found if answer is not None]
            others = {self._flights[keys[i]] for i in missing if keys[i] in self._flights}
            mine = [i for i in missing if keys[i] not in self._flights]
            asked.update(mine)
            if mine:
                await self._fetch(model, keys, mine, ask)
            if others:
                await _landed(others)

    def _read(self, key: bytes) -> bytes | None:
        try:
            row = self._file.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise store.unreadable(self.path, error) from error
        return row[0] if row else None

    async def _fetch(
        self, model: str, keys: Sequence[bytes], mine: Sequence[int], ask: Ask
    ) -> None:
        """Asks for the keys at the places `mine`, each contiguous run of them in one go."""
        loop = asyncio.get_running_loop()
        flights = {keys[i]: loop.create_future() for i in mine}
        self._flights |= flights
        runs = [
            self._fly(model, keys, [i for _, i in group], ask)
            for _, group in itertools.groupby(enumerate(mine), key=lambda pair: pair[1] - pair[0])
        ]
        try:
            if len(runs) == 1:
                await runs[0]
                return
            # One that fails must not throw away what the others pay for.
            for outcome in await asyncio.gather(*runs, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
        finally:
            # A run that was cancelled before its first step could not end its own.
            left = flights.keys() - self._landing
            self._end([key for key in left if self._flights.get(key) is flights[key]], None)

    async def _fly(self, model: str, keys: Sequence[bytes], places: list[int], ask: Ask) -> None:
        owed = [keys[i] for i in places]
        start = places[0]
        try:
            while owed:
                answers = await ask(start, len(owed))
                if not 0 < len(answers) <= len(owed):
                    raise ValueError(f"{model} gave {len(answers)} answers of {len(owed)} asked")
                now = time.time()
                self._rows += [
                    (_ANSWER, (key, self.run, model, now, answer))
                    for key, answer in zip(owed, answers, strict=False)
                ]
                # From here on they land with their commit, whatever becomes of this task.
                self._landing |= set(owed[: len(answers)])
                start, owed = start + len(answers), owed[len(answers) :]
                await self._committed()
        except BaseException as error:
            self._end(owed, error)
            raise

    def _end(self, keys: Sequence[bytes], error: BaseException | None) -> None:
        """Ends flights that bring nothing: with an error for those who wait, or, where only the
        asker was cancelled, so that they ask for themselves."""
        for key in keys:
            flight = self._flights.pop(key)
            if error is None or isinstance(error, asyncio.CancelledError):
                flight.cancel()
            else:
                flight.set_result(error)

    # ---- attempts: counted against one budget ------------------------------------------------

    async def begin(self, model: str, most: Bound, *, paid: bool) -> int:
        """Books an attempt that is about to be sent; give the number back to `end`.

        Under a cap it returns only when the attempt is committed at its bound `most`, so that not
        even kill -9 can lead past the cap.  Raises BudgetSpent where a cap could be exceeded.
        """
        self._writable()
        reserved = await self.account.reserve(model, most, paid)
        number, completion = next(self._ids), most.completion or 0
        self._sent[number] = _Sent(model, most, paid, reserved, time.monotonic())
        money = self.account.money(model, most.prompt, completion, paid)
        row = (number, self.run, model, time.time(), most.prompt, completion, money)
        self._rows.append((_BEGIN, row))
        if not self.account.budget.capped:
            self._schedule(soon=False)
            return number
        try:
            await self._committed(soon=True)
        except BaseException:
            self.end(number, error="not sent", prompt=0, completion=0)
            raise
        return number

    def end(
        self,
        number: int,
        *,
        error: str | None = None,
        prompt: int | None = None,
        completion: int | None = None,
        answers: int = 0,
    ) -> None:
        """Books how an attempt ended: `error` is a short class ("429", "timeout"), None is
        answered; tokens that are not known (None) count at their bound."""
        sent = self._sent.pop(number)
        prompt = sent.most.prompt if prompt is None else prompt
        completion = (sent.most.completion or 0) if completion is None else completion
        money = self.account.money(sent.model, prompt, completion, sent.paid)
        self.account.settle(sent.reserved, prompt + completion, money)
        seconds = time.monotonic() - sent.since
        outcome = "failed" if error else "answered"
        row = (outcome, error, prompt, completion, money, seconds, answers, number)
        self._rows.append((_END, row))
        self._schedule(soon=False)

    # ---- the writer --------------------------------------------------------------------------

    async def _committed(self, *, soon: bool = False) -> None:
        """Returns when everything queued until now is in the file."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._schedule(soon=soon)
        await done

    def _schedule(self, *, soon: bool) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer[0] is loop and (self._timer[2] or not soon):
                return
            self._timer[1].cancel()
        handle: asyncio.Handle
        handle = loop.call_soon(self._flush) if soon else loop.call_later(COMMIT_S, self._flush)
        self._timer = (loop, handle, soon)

    def _flush(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        landing, self._landing = self._landing, set()
        failure: InputError | None = None
        try:
            self._commit()
        except InputError as error:
            failure = error
        for key in landing:
            self._flights.pop(key).set_result(failure)
        for done in waiting:
            if done.done():
                continue
            if failure:
                done.set_exception(failure)
            else:
                done.set_result(None)

    def _writable(self) -> None:
        """Raises InputError while what is queued cannot be written: an answer that came now would
        be paid for and lost."""
        if self._unwritten:
            self._commit()

    def _commit(self, *, hits: bool = False) -> None:
        """Writes all that is queued in one transaction; where it fails, it stays queued.

        Hits go along; by themselves they are worth a transaction at the end only (`hits`).
        """
        counted = [(_HITS, (self.run, model, n)) for model, n in self._hits.items() if n]
        if not (self._rows or (hits and counted)):
            return
        self._unwritten = True
        try:
            self._file.execute("BEGIN IMMEDIATE")
            queued: dict[str, list[tuple[object, ...]]] = {_BEGIN: [], _ANSWER: [], _END: []}
            for statement, values in (*self._rows, *counted):
                queued.setdefault(statement, []).append(values)
            for statement, rows in queued.items():  # an attempt begins before it ends
                self._file.executemany(statement, rows)
            self._file.execute("COMMIT")
        except Exception as error:  # a number that SQLite cannot hold is no sqlite3.Error
            with suppress(sqlite3.Error):
                self._file.rollback()
            raise InputError(
                f"{self.path}: the ledger cannot be written ({error}), so nothing more is sent. "
                "Make room there or see to the file, then run the same command again: it continues"
            ) from error
        self._unwritten = False
        self._rows.clear()
        self._hits.clear()


async def open_ledger(
    path: Path = store.DEFAULT, *, run: str, budget: Budget | None = None
) -> Ledger:
    """The ledger at `path`, made where there is none, for the run named `run`.

    Waits its turn while another process has it.  `run` is the same when a run is continued: the
    caps of `budget` hold over all attempts under that name.  Raises InputError for a file that is
    no ledger, damaged, or of a newer version, and where none can be made.
    """
    with os_errors_as_input_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = await lock.acquire(path, run)
    try:
        opened = store.connect(path, write=True)
        try:
            return Ledger(path, run, budget or Budget(), opened, descriptor)
        except sqlite3.Error as error:
            opened.close()
            raise store.unreadable(path, error) from error
    except BaseException:
        lock.release(descriptor)
        raise


async def _landed(flights: set[asyncio.Future[BaseException | None]]) -> None:
    """Waits for others' flights; one that was cancelled is for the caller to repeat."""
    await asyncio.wait(flights)
    for flight in flights:
        if not flight.cancelled() and (error := flight.result()):
            raise error
