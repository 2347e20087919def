"""A build that is killed, or meets a full disk, and is run again pays for nothing twice and ends
the same."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.builders import check_shards
from tests.endpoint_server import WORDS, Server

from trueline.records.store.manifest import read_manifest

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
    return written(tmp_path / "texts.txt", ROWS)


def written(path: Path, rows: int) -> Path:
    words = "river bridge garden rain stone market winter lamp road song boat tree".split()
    lines = [" ".join(words[(i * k + k) % 12] for k in range(1, 9)) + f" {i}" for i in range(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def command(texts: Path, server: str, out: Path, *more: str) -> list[str]:
    arguments = ["--texts", texts, "--out", out, "--ledger", out.parent / f"{out.name}.sqlite"]
    models = ["--reverse", f"{server}#m", "--expert", f"{server}#m", "--near", "1.0"]
    verb = [sys.executable, "-m", "trueline", "build", "safer-instruct"]
    return [*verb, *map(str, arguments), *models, "--concurrency", "8", "--quiet", *more]


def build(texts: Path, server: str, out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(texts, server, out, *more),
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
    assert read_manifest(out).state == "partial"
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
    shards = read_manifest(out).shards
    assert shards == read_manifest(whole).shards and read_manifest(out).rows > ROWS / 5


def test_two_at_once_do_no_damage(server: str, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second = build(texts, server, out), build(texts, server, out)
    codes = sorted((first.wait(120), second.wait(120)))
    said = [process.communicate()[1] for process in (first, second)]
    assert codes in ([0, 2], [2, 0]), said
    assert any("another process" in text or "finished" in text for text in said)
    check_shards(out)
    assert read_manifest(out).state == "complete"


def test_a_cap_holds_at_the_server_and_a_higher_one_continues(
    server: str, texts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = finished(build(texts, server, out, "--max-calls", "100"), 1)
    assert "cap on calls" in said and 50 < stats(server)["received"] <= 100
    finished(build(texts, server, out, "--max-calls", "100000"), 0)
    assert stats(server)["answered_twice"] == 0
    assert read_manifest(out).state == "complete"


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


# ---- two thousand calls, and what was committed before each disturbance ------------------------


class Asked:
    """What a server was asked, in order, and which request each of its answers is to."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self._to: dict[str, str] = {}

    def reply(self, body: dict[str, Any], index: int) -> str:
        """An instruction unlike any other, the same for the same request."""
        asked = json.dumps(body["messages"])
        if index == 0:
            self.log.append(asked)
        seed = body.get("seed", 0) + index
        number = int(hashlib.sha256(f"{seed} {asked}".encode()).hexdigest()[:9], 16)
        first, second = WORDS[number % len(WORDS)], WORDS[number // 16 % len(WORDS)]
        text = f"Please tell me about the {first} and the {second} of house {number}."
        self._to[text] = asked
        return text

    def committed(self, ledger: Path) -> set[str]:
        """The requests whose answers stand in the ledger."""
        if not ledger.exists():
            return set()
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as opened:
            try:
                rows = opened.execute("SELECT answer FROM answers").fetchall()
            except sqlite3.OperationalError as error:  # its tables were not there yet
                assert "no such table" in str(error), error
                return set()
        return {self._to[json.loads(answer)["message"]["content"]] for (answer,) in rows}


class Trial:
    """A build of so many calls that is disturbed and continued, beside one that was not."""

    CONCURRENCY = 16

    def __init__(self, server: Server, asked: Asked, root: Path, calls: int) -> None:
        self.server, self.asked, self.root, self.calls = server, asked, root, calls
        self.texts = written(root / "texts.txt", calls // 2)
        self.kept: list[tuple[int, set[str]]] = []
        self.began = 0

    async def start(self, out: Path, **more: Any) -> asyncio.subprocess.Process:
        given = command(self.texts, self.server.url, out, "--concurrency", str(self.CONCURRENCY))
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*given, stdout=pipe, stderr=pipe, **more)

    async def whole(self) -> None:
        """The undisturbed build."""
        await self.ends(await self.start(self.root / "whole"), 0)
        assert len(self.asked.log) == self.calls
        self.began = self.calls

    async def ends(self, process: asyncio.subprocess.Process, code: int) -> str:
        _, said = await process.communicate()
        assert process.returncode == code, said.decode()
        assert b"Traceback" not in said, said.decode()
        return said.decode()

    async def until(self, calls: int, process: asyncio.subprocess.Process) -> None:
        """Returns when the server was asked so often by the disturbed build."""
        while len(self.server.received) - self.began < calls:
            assert process.returncode is None, "it ended before it could be disturbed"
            await asyncio.sleep(0.001)

    async def note(self, ledger: Path) -> None:
        """Remembers what is committed, when nothing is under way."""
        while self.server.busy:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.001)
        self.kept.append((len(self.asked.log), self.asked.committed(ledger)))

    def holds(self, out: Path) -> None:
        """Nothing committed was asked for again, and the folder is like the undisturbed one."""
        for place, committed in self.kept:
            assert not committed & set(self.asked.log[place:])
        manifests = read_manifest(self.root / "whole"), read_manifest(out)
        assert manifests[0] == manifests[1] and manifests[1].state == "complete"
        assert manifests[1].rows == self.calls // 2
        check_shards(out)
        run = json.loads((out / "run.json").read_text())
        assert run["status"] == "complete"
        # Asked for twice was only what was under way when it was disturbed, or in the last batch.
        repeated = Counter(self.asked.log[self.began :]).total() - self.calls
        assert repeated <= len(self.kept) * 2 * self.CONCURRENCY


Disturb = Callable[[Trial, Path, random.Random], Awaitable[None]]


async def killed(trial: Trial, out: Path, draw: random.Random) -> None:
    """kill -9 at twenty moments of one build."""
    for moment in sorted(draw.sample(range(1, trial.calls - 50), 20)):
        process = await trial.start(out)
        await trial.until(moment, process)
        await asyncio.sleep(draw.uniform(0, 0.01))
        process.kill()
        await process.communicate()
        await trial.note(Path(f"{out}.sqlite"))
    sizes = [len(committed) for _, committed in trial.kept]
    assert sizes == sorted(sizes) and sizes[-1] > trial.calls / 2


async def filled(trial: Trial, out: Path, draw: random.Random) -> None:
    """No file may grow beyond a size that is drawn: what SQLite then sees is a write that fails."""
    for _ in range(4):
        most = draw.randrange(100_000, 700_000)

        def limited(most: int = most) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

        said = await trial.ends(await trial.start(out, preexec_fn=limited), 2)
        assert "the ledger cannot be written" in said and "it continues" in said
        run = json.loads((out / "run.json").read_text())
        assert run["status"] == "failed" and "the ledger cannot be written" in run["note"]
        assert run["spend"][0]["calls"] > 0
        await trial.note(Path(f"{out}.sqlite"))


@pytest.mark.slow
@pytest.mark.parametrize(("disturb", "calls"), [(killed, 2_000), (filled, 800)])
async def test_whatever_disturbs_a_build_nothing_committed_is_paid_for_twice(
    tmp_path: Path, disturb: Disturb, calls: int
) -> None:
    asked = Asked()
    async with Server(latency=0.01, reply=asked.reply) as server:
        trial = Trial(server, asked, tmp_path, calls)
        await trial.whole()
        out = tmp_path / "out"
        await disturb(trial, out, random.Random(7))
        await trial.ends(await trial.start(out), 0)
        trial.holds(out)


def mountable() -> bool:
    """Whether a file system can be mounted in a namespace of our own."""
    try:
        trial = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
        return subprocess.run(trial, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


ON_A_SMALL_DISK = """
import json, shutil, subprocess, sys, time
from pathlib import Path
disk, kept, moment, *command = sys.argv[1:]
disk, kept, ballast = Path(disk), Path(kept), Path(disk) / "ballast"
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)

def run(fill):
    build = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
    while fill and (not (wal := disk / "out.sqlite-wal").exists()
                    or wal.stat().st_size < int(moment)):
        assert build.poll() is None
        time.sleep(0.001)
    try:
        with ballast.open("wb", buffering=0) as file:
            while fill and build.poll() is None:  # what the build gives back is taken too
                try:
                    file.write(bytes(4096))
                except OSError:
                    time.sleep(0.001)
    finally:
        said = build.communicate()[1]
        ballast.unlink()
    for path in disk.glob("out.sqlite*"):
        shutil.copy(path, kept / path.name)
    print(json.dumps([build.returncode, said]), flush=True)

run(True)
input()
run(False)
shutil.copytree(disk / "out", kept / "out")
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.skipif(not mountable(), reason="a small disk takes a superuser; `filled` does not")
async def test_a_disk_that_is_full_and_then_freed(tmp_path: Path, seed: int) -> None:
    """A file system of a few megabytes, in a mount namespace of its own."""
    (disk := tmp_path / "disk").mkdir()
    asked, pipe = Asked(), asyncio.subprocess.PIPE
    async with Server(latency=0.01, reply=asked.reply) as server:
        trial = Trial(server, asked, tmp_path, 800)
        await trial.whole()
        moment = random.Random(seed).randrange(100_000, 1_500_000)
        wanted = command(trial.texts, server.url, disk / "out", "--concurrency", "16")
        script = [sys.executable, "-c", ON_A_SMALL_DISK, disk, tmp_path, str(moment), *wanted]
        driver = await asyncio.create_subprocess_exec(
            "unshare", "-m", *script, stdin=pipe, stdout=pipe
        )
        assert driver.stdin and driver.stdout
        code, said = json.loads(await driver.stdout.readline())
        assert code == 2 and "Traceback" not in said and "it continues" in said, said
        await trial.note(tmp_path / "out.sqlite")
        assert trial.kept[-1][1]
        driver.stdin.write(b"\n")
        code, said = json.loads(await driver.stdout.readline())
        assert (code, said) == (0, "")
        assert await driver.wait() == 0
        trial.holds(tmp_path / "out")
