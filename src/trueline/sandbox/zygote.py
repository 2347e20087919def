"""The process that waits, forks a child for each grading, and is itself behind all the layers.

It never reads what is graded: a child takes its frame from the control socket itself, so that no
text of one grading is in the memory of another, nor a test in the memory of the program it tests.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from trueline.sandbox import checking, confine, frames, grading, linux, program

OUTPUT = 64 << 10
"""Bytes that a child may write."""

READ = b"k"
"""What a child writes when it has taken its frame: then the control socket is at the next one."""

MODULES = """
    abc array base64 binascii bisect calendar cmath codecs collections collections.abc contextlib
    copy csv dataclasses datetime decimal difflib enum fractions functools hashlib heapq html
    io itertools json keyword math numbers operator os os.path pprint queue random re secrets
    string statistics struct sys textwrap threading time traceback types typing unicodedata
    uuid warnings zlib _strptime encodings.ascii encodings.latin_1 encodings.utf_8_sig
    encodings.utf_16 encodings.utf_16_le encodings.utf_16_be encodings.utf_32 encodings.cp1252
    encodings.idna encodings.punycode encodings.rot_13 encodings.hex_codec encodings.base64_codec
    encodings.raw_unicode_escape encodings.unicode_escape zoneinfo
""".split()
"""There are no files to import from, so that this is all that code can import."""


def main(control: int, allowed: list[str], user: int | None) -> None:
    """Goes behind the layers that are `allowed` and there are, says so, and serves."""
    for name in MODULES:
        importlib.import_module(name)
    del sys.path[:]
    os.environ.clear()
    if user is not None:
        confine.become(user)
    held = confine.enter(allowed)
    pid = os.fork()  # only now is a process in the new process namespace, as its first
    if pid:
        os.close(control)
        os.waitpid(pid, 0)
        os._exit(0)
    with contextlib.suppress(OSError, AttributeError):
        linux.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    open_still = confine.escapes(held, 1, 1 << 30)
    hello = {"held": held, "open": open_still, "python": sys.version.split()[0]}
    frames.write(control, frames.packed(hello))
    gc.collect()
    gc.freeze()
    with contextlib.suppress(EOFError, OSError):
        while True:
            job = frames.Job(*frames.JOB.unpack(frames.exactly(control, frames.JOB.size)))
            frames.write(control, _served(control, job, held))
    os._exit(0)


def _served(control: int, job: frames.Job, held: list[str]) -> bytes:
    result, out = os.pipe()
    children = []
    if job.kind == frames.PROGRAM:
        near, far = (end.detach() for end in socket.socketpair())
        children = [_child(lambda: _program(control, far, job, held), {control, far})]
        os.close(far)
        judge = _child(lambda: _checking(control, near, out, job, held), {control, near, out})
        os.close(near)
    else:
        judge = _child(lambda: _grading(control, out, job, held), {control, out})
    os.close(out)
    # a program has its time to itself; what goes beyond both is the tests'
    wall = job.wall * 2 if job.kind == frames.PROGRAM else job.wall
    how, data = _collected(control, result, time.monotonic() + wall)
    os.close(result)
    status, *programs = [_reaped(pid) for pid in (judge, *children)]
    if os.getpid() == 1:
        _nobody_left()
    if not data.startswith(READ):
        raise EOFError  # where the next job begins is not known
    end = frames.End(how, status, programs[0] if programs else -1, len(data) - 1)
    return frames.END.pack(*end) + data[1:]


def _child(run: Callable[[], None], keep: set[int]) -> int:
    """Forks; the child has the descriptors of `keep`, and nothing else to talk to."""
    pid = os.fork()
    if pid:
        return pid
    try:
        with contextlib.suppress(OSError, AttributeError):
            linux.die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        last = 2
        for descriptor in sorted(keep):
            os.closerange(last + 1, descriptor)
            last = descriptor
        os.closerange(last + 1, 64)
        os.dup2(0, 2)
        run()
    finally:
        os._exit(0)


def _grading(control: int, out: int, job: frames.Job, held: list[str]) -> None:
    given = frames.read(control)
    os.close(control)
    frames.write(out, READ)
    confine.seal(held, job.cpu, job.memory)
    found = grading.graded(*given)
    frames.write(out, json.dumps(found).encode())


def _program(control: int, link: int, job: frames.Job, held: list[str]) -> None:
    given = frames.read(control)
    os.close(control)
    frames.write(link, READ)
    confine.seal(held, job.cpu, job.memory)
    program.serve(link, *given)


def _checking(control: int, link: int, out: int, job: frames.Job, held: list[str]) -> None:
    frames.exactly(link, 1)  # the program has taken its frame
    given = frames.read(control)
    os.close(control)
    frames.write(out, READ)
    os.set_blocking(link, False)
    confine.seal(held, job.cpu, job.memory)
    found = checking.checked(checking.Link(link, job.wall), *given)
    frames.write(out, json.dumps(found).encode())


def _collected(control: int, result: int, until: float) -> tuple[bytes, bytes]:
    """How it ended, and what the child wrote.  EOFError where nobody waits for it any more."""
    poll = select.poll()
    poll.register(result, select.POLLIN)
    poll.register(control, select.POLLRDHUP)
    data = b""
    while True:
        left = until - time.monotonic()
        ready = dict(poll.poll(left * 1000)) if left > 0 else {}
        if control in ready:
            raise EOFError
        if not ready:
            return frames.LATE, data
        part = os.read(result, 1 << 16)
        if not part:
            return frames.CLOSED, data
        data += part
        if len(data) > OUTPUT:
            return frames.FULL, data[:OUTPUT]


def _reaped(pid: int) -> int:
    """The child's exit code, or minus the signal; it is killed if it still runs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _nobody_left() -> None:
    """As the first process of a namespace: what else runs in it ends."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)


def start() -> None:
    """The entry: arguments are the layers, with commas, and the user to become or nothing."""
    control = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    layers, user = sys.argv[1:3]
    main(control, layers.split(","), int(user) if user else None)
