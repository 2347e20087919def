"""The file: one run at a time, foreign and damaged files, and the summary of what was spent."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.ledger.budget import Bound, Budget, Price
from trueline.ledger.sqlite import open_ledger
from trueline.ledger.store import APPLICATION
from trueline.ledger.summary import Spend, summary

HOLD = """
import asyncio, sys
from pathlib import Path
from trueline.ledger.budget import Bound, Budget
from trueline.ledger.sqlite import open_ledger
async def main():
    budget = Budget(calls=99)
    async with await open_ledger(Path(sys.argv[1]), run=sys.argv[2], budget=budget) as ledger:
        for _ in range(int(sys.argv[4])):
            await ledger.begin("m", Bound(1, 1), paid=False)
        print("open", flush=True)
        await asyncio.sleep(float(sys.argv[3]))
asyncio.run(main())
"""


def hold(path: Path, run: str, seconds: float, attempts: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path), run, str(seconds), str(attempts)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )


def test_a_second_process_waits_its_turn_and_says_for_whom(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    first = hold(path, "the first run", 60)
    assert first.stdout and first.stdout.readline() == "open\n"
    second = hold(path, "the second run", 0)
    assert second.stderr
    told = second.stderr.readline()
    assert f"process {first.pid}, run 'the first run'" in told
    assert second.poll() is None
    first.send_signal(signal.SIGKILL)  # the lock ends with its process
    assert second.communicate(timeout=20)[0] == "open\n"
    assert second.returncode == 0
    first.wait()


async def test_opening_twice_in_one_process_is_an_error_not_a_deadlock(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    async with await open_ledger(path, run="r"):
        with pytest.raises(InputError, match="open in this process already"):
            await open_ledger(path, run="r2")
    async with await open_ledger(path, run="r2"):
        pass


async def test_a_ledger_in_use_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    async with await open_ledger(path, run="r", budget=Budget(calls=9)) as ledger:
        await ledger.begin("m", Bound(1, 1), paid=False)
        (spend,) = summary(path)
    assert spend.failures == {"no outcome": 1}


def _newer(path: Path) -> None:
    opened = sqlite3.connect(path)
    opened.execute("CREATE TABLE t (x)")
    opened.execute(f"PRAGMA application_id={APPLICATION}")
    opened.execute("PRAGMA user_version=99")
    opened.close()


def _foreign(path: Path) -> None:
    opened = sqlite3.connect(path)
    opened.execute("CREATE TABLE t (x)")
    opened.close()


def _text(path: Path) -> None:
    path.write_text("this is a diary, not a database " * 40)


def _damaged(path: Path) -> None:
    asyncio.run((asyncio.run(open_ledger(path, run="r"))).close())
    raw = bytearray(path.read_bytes())
    raw[200:] = b"\xff" * (len(raw) - 200)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_newer, "ledger version 99, of a newer trueline"),
        (_foreign, "not a trueline ledger"),
        (_text, "cannot be read as a ledger"),
        (_damaged, "cannot be read as a ledger"),
    ],
)
def test_no_ledger_newer_or_damaged_is_told_clearly_and_left_alone(
    tmp_path: Path, make: object, told: str
) -> None:
    path = tmp_path / "l.sqlite"
    make(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(InputError, match=told):
        summary(path)
    with pytest.raises(InputError, match=told):
        asyncio.run(open_ledger(path, run="r"))
    assert path.read_bytes() == before


def test_a_summary_of_nothing_says_so_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no ledger here"):
        summary(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []


async def test_the_summary_adds_up_by_run_and_model(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    budget = Budget(prices={"m": Price(1e6, 2e6)})
    most = Bound(10, 20)
    for run in ("one", "two"):
        async with await open_ledger(path, run=run, budget=budget) as ledger:

            async def ask(_start: int, count: int, ledger=ledger) -> list[bytes]:  # type: ignore
                number = await ledger.begin("h#m", most, paid=True)
                ledger.end(number, error="429", prompt=0, completion=0)
                number = await ledger.begin("h#m", most, paid=True)
                ledger.end(number, prompt=3, completion=4, answers=count)
                return [b"x"] * count

            keys = [bytes([i]) * 16 for i in range(4)]
            await ledger.once("h#m", keys, ask)
            await ledger.once("h#m", keys[1:], ask)
            await ledger.begin("h#m", most, paid=True)
    one, two = summary(path)
    assert 0 <= one.seconds < 1
    assert one == Spend(
        run="one",
        model="h#m",
        calls=1,
        answers=4,
        hits=3,
        attempts=3,
        failures={"429": 1, "no outcome": 1},
        prompt_tokens=13,
        completion_tokens=24,
        money=3 + 8 + 10 + 40.0,
        seconds=one.seconds,
    )
    assert (two.run, two.calls, two.hits, two.attempts) == ("two", 0, 7, 1)


async def test_while_nothing_can_be_written_nothing_is_sent_and_no_answer_is_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "l.sqlite"
    ledger = await open_ledger(path, run="r")
    asked = []

    async def ask(start: int, _count: int) -> list[bytes]:
        asked.append(start)
        return [b"x"]

    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    ledger._file.execute("PRAGMA busy_timeout=10")
    for key in (b"k" * 16, b"k" * 16, b"l" * 16):
        with pytest.raises(InputError, match=r"cannot be written .* it continues"):
            await ledger.once("m", [key], ask)
    with pytest.raises(InputError, match="cannot be written"):
        await ledger.begin("m", Bound(1, 1), paid=True)
    assert asked == [0]
    blocker.execute("ROLLBACK")
    assert await ledger.once("m", [b"k" * 16], ask) == [b"x"]
    assert asked == [0]
    await ledger.close()
    assert sqlite3.connect(path).execute("SELECT answer FROM answers").fetchall() == [(b"x",)]


async def test_what_sqlite_cannot_hold_is_an_error_and_not_a_wait_for_ever(tmp_path: Path) -> None:
    ledger = await open_ledger(tmp_path / "l.sqlite", run="r")

    async def ask(_start: int, _count: int) -> list[bytes]:
        number = await ledger.begin("m", Bound(1, 1), paid=True)
        ledger.end(number, prompt=2**70, completion=1)
        return [b"x"]

    with pytest.raises(InputError, match="cannot be written"):
        await asyncio.wait_for(ledger.once("m", [b"k" * 16], ask), timeout=5)
    with pytest.raises(InputError, match="cannot be written"):
        await ledger.close()
    await (await open_ledger(tmp_path / "l.sqlite", run="r")).close()  # the lock was given back


@pytest.mark.parametrize("path", ["file/ledger.sqlite", "folder"])
def test_a_ledger_that_cannot_be_made_is_told(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=path):
        asyncio.run(open_ledger(tmp_path / path, run="r"))


def test_a_ledger_whose_run_was_killed_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    killed = hold(path, "r", 60, attempts=3)
    assert killed.stdout and killed.stdout.readline() == "open\n"
    killed.kill()
    killed.wait()
    assert [spend.attempts for spend in summary(path)] == [3]


HITS = """
import asyncio, os, signal, sys
from pathlib import Path
from trueline.ledger.sqlite import open_ledger
async def main():
    async with await open_ledger(Path(sys.argv[1]), run="r") as ledger:
        async def ask(_start, count):
            return [b"x"] * count
        keys = [bytes([i]) * 16 for i in range(8)]
        await ledger.once("m", keys[:7], ask)
        await ledger.once("m", keys[:7], ask)
        await ledger.once("m", keys, ask)  # seven hits more, and a new answer's commit
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_the_hits_of_a_killed_run_are_counted_up_to_its_last_commit(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    killed = subprocess.run([sys.executable, "-c", HITS, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [(spend.run, spend.hits) for spend in summary(path)] == [("r", 7)]


FULL = """
import asyncio, resource, sys
from pathlib import Path
from trueline.ledger.sqlite import open_ledger
from trueline.files.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
async def main():
    async with await open_ledger(Path(sys.argv[1]), run="r"):
        pass
try:
    asyncio.run(main())
except InputError as error:
    print(error)
"""


def test_a_disk_that_is_full_is_not_told_as_damage(tmp_path: Path) -> None:
    """No file may grow over so many bytes: SQLite cannot write what a new ledger begins with."""
    path = tmp_path / "l.sqlite"
    for room in (2_000, 6_000):
        command = [sys.executable, "-c", FULL, str(path), str(room)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert said.startswith(f"{path}: the ledger cannot be used now"), said
        assert "move it away" not in said
    asyncio.run((asyncio.run(open_ledger(path, run="r"))).close())
    assert summary(path) == []
