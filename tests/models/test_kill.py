"""kill -9 half-way, and again: nothing committed is asked for twice, no cap is passed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

CLIENT = """
import asyncio, sys
from pathlib import Path
from trueline.ledger.budget import Budget, BudgetSpent
from trueline.ledger.sqlite import open_ledger
from trueline.models.open import open_model
from trueline.records.types import Message, Sampling

async def main(path, url, count, cap):
    budget = Budget(calls=cap or None)
    async with await open_ledger(Path(path), run="r", budget=budget) as ledger:
        model = open_model(f"{url}#test", ledger, concurrency=16)
        async def one(i):
            try:
                await model.generate([Message("user", f"question {i}")], Sampling(seed=i))
                print(i, flush=True)
            except BudgetSpent:
                print("spent", flush=True)
        await asyncio.gather(*(one(i) for i in range(count)))
        await model.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


@pytest.fixture
def served(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A server in a process of its own: its address and its log."""
    log = tmp_path / "requests.jsonl"
    options = ["--port", "0", "--latency", "0.02", "--jitter", "0.02", "--log", str(log)]
    command = [sys.executable, "-m", "tests.endpoint_server", *options, "--rate-429", "0.05"]
    root = Path(__file__).parents[2]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert server.stdout
    yield json.loads(server.stdout.readline())["url"], log
    server.kill()
    server.wait()


def client(path: Path, url: str, count: int, cap: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CLIENT, str(path), url, str(count), str(cap)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)


def events(log: Path, event: str) -> list[str]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["body"] for line in lines if line["event"] == event]


def kill_after(run: subprocess.Popen[str], answers: int) -> int:
    """Kills the run once it has handed over so many answers; how many it did."""
    assert run.stdout
    for _ in range(answers):
        assert run.stdout.readline()
    run.send_signal(signal.SIGKILL)
    rest = run.stdout.read().splitlines()
    run.wait()
    return answers + len(rest)


def committed(path: Path) -> int:
    opened = sqlite3.connect(path)
    try:
        return int(opened.execute("SELECT count(*) FROM answers").fetchone()[0])
    finally:
        opened.close()


def test_no_committed_answer_is_asked_for_again(tmp_path: Path, served: tuple[str, Path]) -> None:
    url, log = served
    path = tmp_path / "l.sqlite"
    handed = kill_after(client(path, url, 200), 60)
    kept = committed(path)
    assert handed <= kept < 200
    time.sleep(0.1)  # the server ends what it had begun
    before = len(events(log, "answered"))
    again = client(path, url, 200)
    assert again.communicate(timeout=60)[0].count("\n") == 200
    # Exactly the answers that were not committed were asked for.
    assert len(events(log, "answered")) - before == 200 - kept
    assert before - kept <= 16 + 16  # in flight, and answered within one commit's wait


def test_a_cap_holds_through_kill_and_a_higher_one_continues(
    tmp_path: Path, served: tuple[str, Path]
) -> None:
    url, log = served
    path = tmp_path / "l.sqlite"
    kill_after(client(path, url, 200, cap=100), 30)
    stopped = client(path, url, 200, cap=100).communicate(timeout=60)[0].splitlines()
    assert "spent" in stopped
    assert 84 <= len(events(log, "received")) <= 100
    done = client(path, url, 200, cap=400).communicate(timeout=60)[0].splitlines()
    assert sorted(done, key=int) == [str(i) for i in range(200)]
    assert len(events(log, "received")) <= 400
