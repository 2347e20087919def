"""A build that is killed and run again pays for nothing twice and ends the same."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from trueline.records import folder

ROOT = Path(__file__).parents[2]
ROWS = 120


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A slow test server in a process of its own: its counts outlive the builds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.endpoint_server", "--port", "0", "--latency", "0.02"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["url"]
    process.terminate()
    process.wait(10)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    words = "river bridge garden rain stone market winter lamp road song boat tree".split()
    lines = [" ".join(words[(i * k + k) % 12] for k in range(1, 9)) + f" {i}" for i in range(ROWS)]
    path.write_text("\n".join(lines) + "\n")
    return path


def build(texts: Path, server: str, out: Path, *more: str) -> subprocess.Popen[str]:
    arguments = ["--texts", texts, "--out", out, "--ledger", out.parent / f"{out.name}.sqlite"]
    models = ["--reverse", f"{server}#m", "--expert", f"{server}#m", "--near", "1.0"]
    command = [sys.executable, "-m", "trueline", "build", "safer-instruct"]
    return subprocess.Popen(
        [*command, *map(str, arguments), *models, "--concurrency", "8", "--quiet", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str], code: int) -> str:
    out, error = process.communicate(timeout=120)
    assert process.returncode == code, error
    return out + error


def stats(server: str) -> dict[str, int]:
    with urllib.request.urlopen(server.removesuffix("/v1") + "/stats") as reply:
        found: dict[str, int] = json.load(reply)
    return found


def test_kill_and_continue(server: str, texts: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    finished(build(texts, server, whole), 0)
    needed = stats(server)["received"]

    out = tmp_path / "killed"
    killed = build(texts, server, out)
    while stats(server)["answered"] < 1.5 * needed:
        time.sleep(0.005)
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert folder.manifest(out).state == "partial"
    answered = stats(server)["answered"] - needed
    received = stats(server)["received"]
    committed = _committed(tmp_path / "killed.sqlite")
    assert committed > needed / 4

    finished(build(texts, server, out), 0)
    sent = stats(server)["received"] - received
    # Of what the server had answered, only the last commit batch and the calls in flight (8 at a
    # time) may not have been committed; all the rest is not asked for again.
    assert needed - answered <= sent <= needed - committed + 8
    assert answered - committed <= 16
    shards = folder.manifest(out).shards
    assert shards == folder.manifest(whole).shards and folder.manifest(out).rows > ROWS / 5


def test_two_at_once_do_no_damage(server: str, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second = build(texts, server, out), build(texts, server, out)
    codes = sorted((first.wait(120), second.wait(120)))
    said = [process.communicate()[1] for process in (first, second)]
    assert codes in ([0, 2], [2, 0]), said
    assert any("another process" in text or "finished" in text for text in said)
    folder.verify(out)
    assert folder.manifest(out).state == "complete"


def test_a_cap_holds_at_the_server_and_a_higher_one_continues(
    server: str, texts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = finished(build(texts, server, out, "--max-calls", "100"), 1)
    assert "cap on calls" in said and 50 < stats(server)["received"] <= 100
    finished(build(texts, server, out, "--max-calls", "100000"), 0)
    assert stats(server)["answered_twice"] == 0
    assert folder.manifest(out).state == "complete"


def test_an_interrupt_stops_cleanly(server: str, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = build(texts, server, out)
    while stats(server)["received"] < 30:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    said = finished(process, 1)
    assert "interrupted" in said and "continues" in said
    run = json.loads((out / "run.json").read_text())
    assert run["status"] == "interrupted"
    finished(build(texts, server, out), 0)
    assert stats(server)["answered_twice"] == 0


def _committed(path: Path) -> int:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as opened:
        query = "SELECT count(*) FROM attempts WHERE outcome = 'answered'"
        return int(opened.execute(query).fetchone()[0])
