"""Paid once: hits, single flight, partial hits, failures, and answers that survive."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from trueline.ledger.sqlite import Ledger, open_ledger

KEYS = [bytes([i]) * 16 for i in range(8)]


class Asked:
    """Counts what is asked for; fails where told to."""

    def __init__(self, wait: float = 0.0, most: int = 99, fail: set[int] | None = None) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.wait, self.most, self.fail = wait, most, fail or set()

    async def __call__(self, start: int, count: int) -> list[bytes]:
        self.ranges.append((start, count))
        await asyncio.sleep(self.wait)
        if start in self.fail:
            raise RuntimeError(f"no answer at {start}")
        return [b"answer %d" % i for i in range(start, start + min(count, self.most))]


async def test_an_answer_is_asked_for_once_and_outlives_the_ledger(tmp_path: Path) -> None:
    ask = Asked()
    path = tmp_path / "sub" / "ledger.sqlite"
    for _ in range(2):
        async with await open_ledger(path, run="r") as ledger:
            for _ in range(2):
                assert await ledger.once("m", KEYS[:3], ask) == [b"answer %d" % i for i in range(3)]
    assert ask.ranges == [(0, 3)]


async def test_an_answer_is_handed_over_only_when_another_connection_sees_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    async with await open_ledger(path, run="r") as ledger:
        await ledger.once("m", KEYS[:1], Asked())
        seen = sqlite3.connect(path).execute("SELECT key, answer FROM answers").fetchall()
    assert seen == [(KEYS[0], b"answer 0")]


async def test_many_askers_at_once_share_one_flight(tmp_path: Path) -> None:
    ask = Asked(wait=0.02)
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        got = await asyncio.gather(*(ledger.once("m", KEYS[:1], ask) for _ in range(20)))
    assert ask.ranges == [(0, 1)]
    assert got == [[b"answer 0"]] * 20


async def test_only_missing_samples_are_asked_for_in_contiguous_runs(tmp_path: Path) -> None:
    ask = Asked()
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        await ledger.once("m", [KEYS[1]], lambda _s, _n: ask(1, 1))
        await ledger.once("m", [KEYS[4]], lambda _s, _n: ask(4, 1))
        ask.ranges.clear()
        whole = await ledger.once("m", KEYS, ask)
    assert sorted(ask.ranges) == [(0, 1), (2, 2), (5, 3)]
    assert whole == [b"answer %d" % i for i in range(8)]


async def test_fewer_than_asked_are_kept_and_the_rest_is_asked_for(tmp_path: Path) -> None:
    ask = Asked(most=3, fail={6})
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        with pytest.raises(RuntimeError, match="no answer at 6"):
            await ledger.once("m", KEYS, ask)
        assert ask.ranges == [(0, 8), (3, 5), (6, 2)]
        ask.fail, ask.ranges = set(), []
        await ledger.once("m", KEYS, ask)
    assert ask.ranges == [(6, 2)]


async def test_a_failed_run_does_not_throw_away_what_the_others_paid_for(tmp_path: Path) -> None:
    ask = Asked(wait=0.01, fail={0})
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        await ledger.once("m", [KEYS[1]], lambda _s, _n: ask(1, 1))
        with pytest.raises(RuntimeError):
            await ledger.once("m", KEYS[:3], ask)
        ask.ranges.clear()
        await ledger.once("m", [KEYS[2]], ask)
        assert ask.ranges == []


async def test_those_who_wait_see_the_failure_and_a_later_call_asks_again(tmp_path: Path) -> None:
    ask = Asked(wait=0.01, fail={0})
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        calls = (ledger.once("m", KEYS[:1], ask) for _ in range(5))
        got = await asyncio.gather(*calls, return_exceptions=True)
        assert [str(error) for error in got] == ["no answer at 0"] * 5
        assert ask.ranges == [(0, 1)]
        ask.fail = set()
        assert await ledger.once("m", KEYS[:1], ask) == [b"answer 0"]


async def test_a_cancelled_asker_leaves_the_asking_to_those_who_wait(tmp_path: Path) -> None:
    ask = Asked(wait=0.05)
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        first = asyncio.create_task(ledger.once("m", KEYS[:1], ask))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(ledger.once("m", KEYS[:1], ask))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == [b"answer 0"]
    assert ask.ranges == [(0, 1), (0, 1)]


def test_a_ledger_serves_one_event_loop_after_another(tmp_path: Path) -> None:
    ask = Asked()
    ledger = asyncio.run(open_ledger(tmp_path / "l.sqlite", run="r"))
    for key in KEYS:
        asyncio.run(ledger.once("m", [key], ask))
    asyncio.run(ledger.close())
    assert len(ask.ranges) == len(KEYS)


async def test_replaying_a_hit_takes_tens_of_microseconds(tmp_path: Path) -> None:
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        await ledger.once("m", KEYS, Asked())
        best = min([await _replay(ledger) for _ in range(5)])
    assert best < 200e-6


async def _replay(ledger: Ledger) -> float:
    """Seconds of CPU a hit: of the clock, a busy machine would take more."""
    started = time.process_time()
    for _ in range(500):
        await ledger.once("m", KEYS[:1], Asked())
    return (time.process_time() - started) / 500


async def test_an_answer_whose_asker_is_cancelled_before_its_commit_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueline.ledger.sqlite.COMMIT_S", 0.05)
    ask = Asked()
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        first = asyncio.create_task(ledger.once("m", KEYS[:1], ask))
        second = asyncio.create_task(ledger.once("m", KEYS[:1], ask))
        await asyncio.sleep(0.02)  # answered, and waiting for the commit
        first.cancel()
        late = asyncio.create_task(ledger.once("m", KEYS[:1], ask))
        assert await second == await late == [b"answer 0"]
        assert first.cancelled()
    assert ask.ranges == [(0, 1)]


async def test_askers_cancelled_before_they_began_leave_nobody_waiting(tmp_path: Path) -> None:
    ask = Asked()
    async with await open_ledger(tmp_path / "l.sqlite", run="r") as ledger:
        await ledger.once("m", [KEYS[1]], lambda _s, _n: ask(1, 1))
        first = asyncio.create_task(ledger.once("m", KEYS[:3], ask))  # two runs of keys
        await asyncio.sleep(0)
        first.cancel()
        whole = asyncio.wait_for(ledger.once("m", KEYS[:3], ask), timeout=5)
        assert await whole == [b"answer %d" % i for i in range(3)]


def test_what_one_event_loop_left_behind_the_next_one_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trueline.ledger.sqlite.COMMIT_S", 60.0)
    ask = Asked()
    ledger = asyncio.run(open_ledger(tmp_path / "l.sqlite", run="r"))

    async def leave() -> None:
        asking = asyncio.create_task(ledger.once("m", KEYS[:1], ask))
        await asyncio.sleep(0.02)
        asking.cancel()

    asyncio.run(leave())
    assert asyncio.run(ledger.once("m", KEYS[:1], ask)) == [b"answer 0"]
    asyncio.run(ledger.close())
    assert ask.ranges == [(0, 1)]
