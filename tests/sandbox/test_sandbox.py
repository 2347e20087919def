"""Code that means harm: each piece ends within its limit, as the right kind of outcome, and leaves
nothing behind; as root, as an ordinary user, and with a layer missing."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.labellers.grader import Grader
from trueline.labellers.guarded import Guarded
from trueline.records.types import Example, Message, Question, Response
from trueline.sandbox import confine
from trueline.sandbox.pool import Limits, Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines")

RIGHT = Question(id="right", about="response", kind="yes-no", ask="Is it right?")
LIMITS = Limits(wall=2.0, cpu=1, memory=256 << 20)
ROOT = os.geteuid() == 0
ALL, NO_SPACES, NO_FILTER = confine.LAYERS, ("user", "seccomp"), ("namespaces", "user")
LATE = "killed, at its limit of 1 s|did not finish within 2 s"  # on a busy machine
KILL = "can(lambda: os.kill(os.getppid(), 9)); can(lambda: os.kill(-1, 9)); return True"
REPOSITORY = str(Path(__file__).parents[2])
SYSTEMS = [
    pytest.param(layers, user, id="+".join(layers) + (" as a user" if user else ""))
    for layers in (ALL, NO_SPACES, NO_FILTER)
    for user in ((None, confine.NOBODY) if ROOT else (None,))
]

# Each is refused, by whatever stands in its way: an expression that must raise.
REFUSED = {
    "passwords": "os.open('/etc/passwd', os.O_RDONLY)",
    "shadow": "io.open('/etc/shadow').read()",
    "listing": "os.listdir({home!r})",
    "repository": "os.listdir({repo!r})",
    "source": "io.open_code({repo!r} + '/README.md')",
    "links": "os.symlink('/etc', 'escape')",
    "roots": "os.chroot('..')",
    "processes": "os.listdir('/proc/1')",
    "own process": "os.readlink('/proc/self/exe')",
    "memory of others": "io.open('/proc/%d/mem' % os.getppid(), 'rb')",
    "connection": "socket.create_connection(('127.0.0.1', {port}), 1)",
    "datagram": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "abstract socket": "socket.socket(socket.AF_UNIX).connect({abstract!r})",
    "fork": "os.fork()",
    "forks": "[os.fork() for _ in range(10**6)]",
    "thread": "threading.Thread(target=time.sleep, args=(9,)).start()",
    "command": "os.execv('/bin/sh', ['sh', '-c', 'true'])",
    "rights": "os.setuid(0)",
    "limits": "resource.setrlimit(resource.RLIMIT_NPROC, (9, 9))",
}
# What these do, and what their Label says: a value, or a part of the reason for having none.
DONE: dict[str, tuple[str, bool | str]] = {
    "well": ("return second == 'a response'", True),
    "environment": (
        "return bool(os.environ) or bool(ctypes.CDLL(None).getenv(b'TRUELINE_API_KEY'))",
        False,
    ),
    "killing": (KILL, True),
    "exit": ("sys.exit(0)", "raised SystemExit"),
    "hard exit": ("os._exit(0)", r"ended itself \(exit code 0\), without a verdict"),
    "crash": ("ctypes.string_at(1)", r"crashed \(signal 11\)"),
    "recursion": ("return grade(first, second)", "RecursionError"),
    "memory": ("held = []\n    while True: held.append(bytearray(1 << 20))", "memory"),
    "memory at once": ("return bytes(1 << 40)", "memory"),
    "much said": ("return 'x' * (1 << 20)", "wrote more than it may"),
    "much printed": ("for _ in range(3000): print('x' * 1000)\n    return True", True),
    "no verdict": ("return None", "NoneType"),
    "own object": ("return type('Yes', (), dict(__eq__=lambda *a: True))()", "type Yes"),
    "own text": ("return type('Text', (str,), {})('true')", "type Text"),
    "surrogate": ("return '\\ud800'", "no answer"),
    "surrogate raised": ("raise ValueError('\\ud800')", "raised ValueError"),
    "no text": ("everywhere(b'\\xff\\xfe'); os._exit(0)", "without a verdict"),
    "deep": ("everywhere(b'[' * 60000); os._exit(0)", "without a verdict"),
    "module from a file": ("import sqlite3", "may not import sqlite3"),
}
ENDLESS: dict[str, tuple[str, bool | str]] = {
    "loop": ("while True: pass", LATE),
    "pattern": ("return bool(re.match(r'(a+)+$', 'a' * 60 + 'b'))", LATE),
    "sleep": ("time.sleep(99)", "did not finish within 2 s"),
    "deaf": (
        "for n in range(1, 65): can(lambda: signal.signal(n, signal.SIG_IGN))\n    time.sleep(99)",
        "did not finish within 2 s",
    ),
}
PRELUDE = """
import io, os, re, sys, threading, time
ctypes, resource, signal, socket = (
    sys.modules[name] for name in ("ctypes", "resource", "signal", "socket")
)

def can(attempt):
    try:
        attempt()
    except Exception:
        return False
    return True

def everywhere(data):
    for descriptor in range(3, 16):
        can(lambda: os.write(descriptor, data))

def grade(first, second):
    """
PLACES = sorted({
    *(str(Path(p).resolve()) for p in (".", "/", "/tmp", "/var/tmp", "/dev/shm")),
    str(Path.home()), REPOSITORY, tempfile.gettempdir(),
})  # fmt: skip
ABSTRACT = f"\0trueline-test-{os.getpid()}"


@pytest.fixture
def port() -> Iterator[int]:
    """A server on this machine that nobody may reach."""
    reached = []
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(ABSTRACT)
        abstract.listen()
        for listener in (server, abstract):
            listener.setblocking(False)
        yield server.getsockname()[1]
        for listener in (server, abstract):
            with pytest.raises(BlockingIOError):
                reached.append(listener.accept())
    assert not reached


def example(text: str = "a response") -> Example:
    return Example.new([Message("user", "a prompt")], [Response((Message("assistant", text),))])


def grader(sandbox: Sandbox, body: str) -> Guarded:
    return Guarded(Grader(sandbox, RIGHT, source=PRELUDE + body))


async def outcome(sandbox: Sandbox, body: str) -> bool | str:
    [label] = await grader(sandbox, body).label(example(), [RIGHT])
    assert sandbox.mechanism in (label.note or "")
    assert label.value is None or isinstance(label.value, bool)
    return label.value if label.unscored is None else label.unscored


def running(session: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, *rest = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(rest[2]) == session and state != "Z":
                found.append(int(folder.name))
    return found


async def gone(sessions: list[int]) -> None:
    """Waits until nothing of the sessions runs."""
    for _ in range(100):
        if not any(running(session) for session in sessions):
            return
        await asyncio.sleep(0.05)
    raise AssertionError([running(session) for session in sessions])


def sessions(sandbox: Sandbox) -> list[int]:
    return [worker._process.pid for worker in sandbox._idle]


@pytest.mark.parametrize("layers, user", SYSTEMS)
async def test_what_means_harm(
    layers: tuple[str, ...], user: int | None, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUELINE_API_KEY", "a key")
    given = {"home": str(Path.home()), "repo": REPOSITORY, "port": port, "abstract": ABSTRACT}
    refused = {name: attempt.format(**given) for name, attempt in REFUSED.items()}
    refused |= {f"file in {place}": f"io.open({place + '/escape'!r}, 'w')" for place in PLACES}
    refused |= {f"folder in {place}": f"os.mkdir({place + '/escape'!r})" for place in PLACES}
    tried = {name: (f"return can(lambda: {what})", False) for name, what in refused.items()}
    tried |= DONE | (ENDLESS if layers == ALL else {})
    async with Sandbox(layers=layers, user=user, limits=LIMITS, workers=3) as sandbox:
        if not set(layers) <= set(sandbox.mechanism.split("+")):
            pytest.skip(f"this system has only {sandbox.mechanism}")
        said = await asyncio.gather(*(outcome(sandbox, body) for body, _ in tried.values()))
        used = sessions(sandbox)
        assert len(used) <= 3
    wrong = {
        name: found
        for (name, (_, wanted)), found in zip(tried.items(), said, strict=True)
        if not (re.search(wanted, str(found)) if isinstance(wanted, str) else found is wanted)
    }
    assert not wrong
    await gone(used)
    assert not [place for place in PLACES if Path(place, "escape").exists()]


async def test_nobody_is_killed_by_another() -> None:
    """The processes that waited before the killing wait still, and no third one was started."""
    async with Sandbox(limits=LIMITS, workers=2) as sandbox:
        found = await asyncio.gather(*(outcome(sandbox, KILL) for _ in range(20)))
        assert found == [True] * 20
        before = sessions(sandbox)
        await asyncio.gather(*(outcome(sandbox, KILL) for _ in range(20)))
        assert sorted(sessions(sandbox)) == sorted(before)


async def test_what_confines_nothing_runs_nothing() -> None:
    with pytest.raises(InputError, match=r"reaches .*network"):
        async with Sandbox(layers=()):
            pass


def test_what_is_refused_is_no_idle_attempt() -> None:
    for name in ("passwords", "listing", "repository", "source", "processes", "own process"):
        attempt = REFUSED[name].format(
            home=str(Path.home()), repo=REPOSITORY, port=0, abstract=ABSTRACT
        )
        subprocess.run([sys.executable, "-c", f"import io, os\n{attempt}"], check=True)


async def test_a_killed_process_is_replaced() -> None:
    async with Sandbox(limits=LIMITS, workers=1) as sandbox:
        [first] = sessions(sandbox)
        os.kill(first, 9)
        assert await outcome(sandbox, "return True") is True
        running_now = asyncio.create_task(outcome(sandbox, "time.sleep(1); return True"))
        await asyncio.sleep(0.3)
        for pid in set(descendants(os.getpid())):
            if b"zygote" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, 9)
        assert await running_now is True
        used = [first, *sessions(sandbox)]
    await gone(used)


def descendants(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("layers", [ALL, NO_SPACES])
async def test_what_is_cancelled_stops(layers: tuple[str, ...]) -> None:
    async with Sandbox(limits=LIMITS, layers=layers, workers=1) as sandbox:
        used = sessions(sandbox)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await outcome(sandbox, ENDLESS["loop"][0])
        await gone(used)
        assert await outcome(sandbox, "return True") is True


async def test_a_process_that_is_left_open_ends_with_its_starter() -> None:
    """A program that is killed in the midst of a grading leaves nothing running."""
    code = (
        "import asyncio, sys, tests.sandbox.test_sandbox as t\n"
        "async def main():\n"
        "    async with t.Sandbox(limits=t.LIMITS, workers=1) as s:\n"
        "        print(t.sessions(s)[0], flush=True)\n"
        "        await t.outcome(s, 'time.sleep(99)')\n"
        "asyncio.run(main())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )  # fmt: skip
    assert process.stdout
    session = int(await process.stdout.readline())
    await asyncio.sleep(0.5)
    assert running(session)
    process.kill()
    await process.wait()
    await gone([session])


def test_any_thread_and_loop_can_grade() -> None:
    """As in a notebook, whose loop runs already, or a thread with a loop of its own."""
    found: list[bool | str] = []

    async def main() -> None:
        async with Sandbox(limits=LIMITS, workers=1) as sandbox:
            found.append(await outcome(sandbox, "return True"))

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True, True]


async def test_equal_runs_are_equal() -> None:
    """Neither chance nor the order of sets differs between two processes."""
    body = "import random; return len(str(random.random())) if False else str({'a', 'b', 'c', 'd'})"
    said = []
    for _ in range(2):
        async with Sandbox(limits=LIMITS, workers=1) as sandbox:
            said.append(await outcome(sandbox, body))
    assert said[0] == said[1] and "{" in str(said[0])


async def test_a_burst_is_bounded() -> None:
    """Far more gradings than workers: no more processes than workers, and each has its answer."""
    async with Sandbox(limits=LIMITS, workers=2) as sandbox:
        began = time.monotonic()
        found = await asyncio.gather(
            *(grader(sandbox, f"return second == '{i % 2}'").label(example("1"), [RIGHT])
              for i in range(60))
        )  # fmt: skip
        assert [label.value for [label] in found] == [bool(i % 2) for i in range(60)]
        assert len(sandbox._idle) <= 2 and time.monotonic() - began < 60
