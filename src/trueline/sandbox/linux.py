"""The Linux calls that take a process's powers away; Python has no names for most of them.

Each raises OSError where the system refuses, and AttributeError where it is not Linux.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
)  # fmt: skip
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC, _DEEP, _PRIVATE = 1, 2, 4, 8, 1 << 14, 1 << 18
_DETACH = 2
_DIE_WITH_PARENT, _DUMPABLE, _SECCOMP, _NO_NEW_PRIVILEGES = 1, 4, 22, 38
_FILTER = 2
_CAPABILITIES = 0x20080522  # the third version of the call's header

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *given: object) -> None:
    if getattr(_libc, name)(*given) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _control(option: int, value: int, pointer: object = 0) -> None:
    _call("prctl", option, ctypes.c_ulong(value), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0))


def unshare(flags: int) -> None:
    """Leaves the named namespaces for new ones."""
    _call("unshare", flags)


def empty_root() -> None:
    """The whole file system of this mount namespace becomes one empty directory, read-only."""
    _call("mount", b"none", b"/", None, ctypes.c_ulong(_DEEP | _PRIVATE), None)
    flags = ctypes.c_ulong(_READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_EXEC)
    _call("mount", b"none", b"/tmp", b"tmpfs", flags, b"size=4k,mode=555")
    os.chdir("/tmp")
    _call("pivot_root", b".", b".")
    _call("umount2", b".", _DETACH)
    os.chdir("/")


def no_capabilities() -> None:
    """Gives up every capability, for good."""
    header = struct.pack("=Ii", _CAPABILITIES, 0)
    _call("capset", header, bytes(24))


def no_new_privileges() -> None:
    """No program that this process starts can have more rights than it has."""
    _control(_NO_NEW_PRIVILEGES, 1)


def dumpable(yes: bool) -> None:
    """Whether other processes of the same user may look into this one."""
    _control(_DUMPABLE, int(yes))


def die_with_parent() -> None:
    """Killed when its parent ends; to be called again after every change of user."""
    _control(_DIE_WITH_PARENT, signal.SIGKILL)


def filter_calls(program: bytes) -> None:
    """Installs a seccomp program (`struct sock_filter` after `struct sock_filter`)."""
    held = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    _control(_SECCOMP, _FILTER, header)
