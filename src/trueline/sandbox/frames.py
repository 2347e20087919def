"""How the processes talk: frames of JSON behind their length, and heads of fixed size."""

from __future__ import annotations

import json
import os
import struct
from typing import Any, NamedTuple

LONGEST = 16 << 20
"""Bytes of a frame; a longer one is not read."""

_LENGTH = struct.Struct("=I")
HEAD = _LENGTH.size
"""Bytes that hold the length of a frame."""


class Job(NamedTuple):
    """The head of a job; the frames behind it are for its children alone.

    `kind` is one of the letters below; `wall` and `cpu` are in seconds and `memory` in bytes, for
    each child.
    """

    kind: bytes
    wall: float
    cpu: int
    memory: int


GRADING, PROGRAM = b"g", b"p"
JOB = struct.Struct("=cdIQ")


class End(NamedTuple):
    """The head of a result, before `length` bytes that the child wrote.

    `how` is one of the letters below; `status` and `program` are what wait() says of the child
    that judges and of the program that is judged (-1 where there is none).
    """

    how: bytes
    status: int
    program: int
    length: int


CLOSED, LATE, FULL = b"c", b"l", b"f"
END = struct.Struct("=ciiI")


def exactly(source: int, count: int) -> bytes:
    """`count` bytes of a descriptor; EOFError where it ends before."""
    parts = []
    while count:
        part = os.read(source, min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def write(target: int, data: bytes) -> None:
    """All of the bytes."""
    left = memoryview(data)
    while left:
        left = left[os.write(target, left) :]


def packed(value: Any) -> bytes:
    """A frame; lone surrogates stand in it as escapes.  ValueError where it would be too long."""
    text = json.dumps(value).encode("ascii")
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} bytes are more than the {LONGEST} that are passed on")
    return _LENGTH.pack(len(text)) + text


def read(source: int) -> Any:
    """The value of the next frame; ValueError where it is none, EOFError where there is none."""
    return loaded(exactly(source, counted(exactly(source, HEAD))))


def counted(head: bytes) -> int:
    """The length of the frame behind its head; ValueError where it is longer than any may be."""
    [count] = _LENGTH.unpack(head)
    if count > LONGEST:
        raise ValueError(f"a frame of {count} bytes")
    return int(count)


def loaded(data: bytes) -> Any:
    """The JSON value in what a child wrote; ValueError where it is none."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
