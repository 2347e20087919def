"""What holds a process that runs unknown code, and the proof that it holds.

Three layers, each used where the system has it, over limits that always stand:

- `namespaces`: own network (none), processes, users and an empty, read-only file system;
- `user`: root becomes nobody, an ordinary user stays what it is; no capabilities;
- `seccomp`: the system calls of `seccomp` and no others.

`seccomp` or `namespaces` suffice against all that the tests try; what is claimed is tried out
before the first grading (`escapes`), never assumed.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Callable, Collection
from pathlib import Path

from trueline.sandbox import linux, seccomp

LAYERS = ("namespaces", "user", "seccomp")
NOBODY = 65534
_SPACES = linux.NEWNS | linux.NEWUTS | linux.NEWIPC | linux.NEWPID | linux.NEWNET
_REFUSED = (OSError, AttributeError, ValueError)


def become(user: int) -> None:
    """The process becomes an ordinary user, without groups and capabilities."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    linux.dumpable(True)  # else it may not write its own /proc/self/uid_map


def _into_namespaces() -> None:
    """As root in namespaces of root's own where that is allowed, else in a user's."""
    if os.geteuid() == 0 and succeeds(lambda: linux.unshare(_SPACES)):
        linux.unshare(_SPACES)
    else:
        if os.geteuid() == 0:
            become(NOBODY)
        user, group = os.geteuid(), os.getegid()
        linux.unshare(_SPACES | linux.NEWUSER)
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{NOBODY} {user} 1"),
            ("gid_map", f"{NOBODY} {group} 1"),
        ):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    linux.empty_root()


def _filtered() -> None:
    linux.no_new_privileges()
    linux.filter_calls(seccomp.program())


def enter(allowed: Collection[str]) -> list[str]:
    """Puts this process, for good, behind the layers that the system has; returns their names.

    It belongs to a process that only forks: what it forks is in the process namespace and is to
    be `seal`ed.
    """
    root = os.geteuid() == 0
    # tried out before the first is entered: the first child in new namespaces is to be the one
    # that all others are forked from
    spaces = "namespaces" in allowed and succeeds(_into_namespaces)
    nobody = "user" in allowed and (not root or succeeds(lambda: become(NOBODY)))
    with contextlib.suppress(*_REFUSED):
        seccomp.program()  # kept: every child installs it
    filters = "seccomp" in allowed and succeeds(_filtered)
    if spaces:
        _into_namespaces()
    if nobody and os.geteuid() == 0:
        become(NOBODY)
    if nobody:
        linux.no_capabilities()
    with contextlib.suppress(*_REFUSED):
        linux.no_new_privileges()
        linux.dumpable(False)
    found = {"namespaces": spaces, "user": nobody, "seccomp": filters, "limits": True}
    return [name for name, holds in found.items() if holds]


def seal(layers: Collection[str], cpu: int, memory: int) -> None:
    """Limits this process, which runs the code: `cpu` seconds, `memory` bytes of address space,
    no files, no further processes or threads; and filters its system calls."""
    for what, most in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    if "seccomp" in layers:
        _filtered()


def succeeds(change: Callable[[], object]) -> bool:
    """Whether a change that cannot be undone is allowed here, tried out by a child."""
    pid = os.fork()
    if pid == 0:
        try:
            change()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def escapes(layers: Collection[str], cpu: int, memory: int) -> list[str]:
    """What a sealed child could still reach: empty where it is confined."""

    def network() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("127.0.0.1", 9))  # a datagram's: no packet is sent

    def process() -> None:
        if (pid := os.fork()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    def parent() -> None:
        if os.getppid() != 1:  # the first process of a namespace cannot be killed from within
            os.kill(os.getppid(), 0)
        else:
            raise PermissionError

    tried: dict[str, Callable[[], object]] = {
        "files": lambda: Path("/etc").stat(),
        "network": network,
        "other processes": process,
        "signals": parent,
    }

    def sealed(attempt: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            seal(layers, cpu, memory)
            return attempt()

        return run

    return [name for name, attempt in tried.items() if succeeds(sealed(attempt))]
