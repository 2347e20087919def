"""A few warm, confined processes that grade: started once, asked often, replaced when they die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.sandbox import confine, frames

START = 30.0
"""Seconds within which a worker is ready, on however busy a machine."""

_PACKAGES = str(Path(__file__).parents[2])
_ENTRY = (
    f"import sys; sys.path.insert(0, {_PACKAGES!r}); "
    "from trueline.sandbox import zygote; zygote.start()"
)


class Limits(Struct, frozen=True):
    """What one grading may take: `wall` seconds, `cpu` seconds, `memory` bytes of address space.

    `wall` is the longer one, so that a busy machine makes nobody fail.
    """

    wall: float = 10.0
    cpu: int = 5
    memory: int = 512 << 20


class Report(NamedTuple):
    """How a grading ended: what the child wrote, and how it and the judged program went.

    `how` is one of `frames.CLOSED`, `LATE` and `FULL`; the statuses are exit codes, or minus a
    signal; `program` is -1 where there was none.
    """

    how: bytes
    status: int
    program: int
    data: bytes


class Died(Exception):
    """Workers ended before they had an answer, or no more can be started: the sandbox's failure."""


class Sandbox:
    """Runs jobs in confined processes: `async with Sandbox() as sandbox`.

    `workers` run at the same time (as many as there are cores, unless given).  `layers` of
    `confine` are used if the system has them; if those that it has do not confine, entering raises
    InputError.  As root, `user` is whom the workers become before anything else, to have what an
    ordinary user has.  `mechanism` says, once entered, what holds.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        limits: Limits | None = None,
        layers: Sequence[str] = confine.LAYERS,
        user: int | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.workers = workers or os.cpu_count() or 1
        self.mechanism = ""
        self._arguments = [",".join(layers), "" if user is None else str(user)]
        self._idle: list[_Worker] = []
        self._room = asyncio.Semaphore(self.workers)

    async def __aenter__(self) -> Sandbox:
        worker = await self._started()
        self._idle.append(worker)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._idle:
            self._idle.pop().end()

    async def run(self, kind: bytes, *given: Any) -> Report:
        """Runs a job of a kind of `frames`, with a frame for each of its children.

        Raises Died where the workers do not last, and ValueError where what is given is too long
        to pass on.
        """
        wall = self.limits.wall
        head = frames.JOB.pack(kind, wall, self.limits.cpu, self.limits.memory)
        sent = head + b"".join(frames.packed(frame) for frame in given)
        async with self._room:
            for attempt in (1, 2):
                try:
                    worker = self._idle.pop() if self._idle else await self._started()
                except InputError as error:  # it could be started before
                    raise Died(str(error)) from error
                try:
                    async with asyncio.timeout(2 * wall + START):
                        report = await worker.run(sent)
                except (OSError, EOFError, TimeoutError) as error:
                    worker.end()
                    if attempt == 2:
                        raise Died("the process that grades ended by itself") from error
                except BaseException:  # cancelled: what runs there is not wanted any more
                    worker.end()
                    raise
                else:
                    self._idle.append(worker)
                    return report
        raise AssertionError("unreachable")

    async def _started(self) -> _Worker:
        try:
            worker = _Worker(self._arguments)
        except OSError as error:
            raise InputError(f"no process to grade in can be started: {error}") from error
        try:
            async with asyncio.timeout(START):
                hello = await worker.hello()
        except (OSError, EOFError, TimeoutError) as error:
            raise InputError(f"no process to grade in can be started: {worker.end()}") from error
        except BaseException:
            worker.end()
            raise
        if hello["open"]:
            worker.end()
            raise InputError(
                f"what this system offers ({', '.join(hello['held'])}) does not confine the code "
                f"of graders: it reaches {', '.join(hello['open'])}. It takes Linux on x86-64 or "
                "ARM64 with seccomp, or user namespaces"
            )
        self.mechanism = "+".join(hello["held"])
        return worker


class _Worker:
    """One zygote, and the socket to it; when the socket closes, it ends, whatever it runs."""

    def __init__(self, arguments: Sequence[str]) -> None:
        mine, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-S", "-B", "-c", _ENTRY, *arguments],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},  # the same order of sets each time
                cwd="/",
                start_new_session=True,
            )
        mine.setblocking(False)
        self._socket = mine

    async def hello(self) -> Any:
        """What the worker says of itself when it is ready."""
        return frames.loaded(await self._exactly(frames.counted(await self._exactly(frames.HEAD))))

    async def run(self, job: bytes) -> Report:
        await asyncio.get_running_loop().sock_sendall(self._socket, job)
        end = frames.End(*frames.END.unpack(await self._exactly(frames.END.size)))
        return Report(end.how, end.status, end.program, await self._exactly(end.length))

    async def _exactly(self, count: int) -> bytes:
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < count:
            part = await loop.sock_recv(self._socket, count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def end(self) -> str:
        """Ends the process, without a trace; returns what it had to say about itself."""
        self._socket.close()
        try:  # it ends by itself, and so sees to its own children
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        said = b""
        if self._process.stderr:
            with self._process.stderr as stream, contextlib.suppress(OSError):
                os.set_blocking(stream.fileno(), False)
                said = stream.read() or b""
        return said.decode(errors="replace").strip()[-2000:] or "it gives no reason"
