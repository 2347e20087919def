"""How a command that reports ends: the report on stdout, on stderr what a run fell short of."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from trueline.files.text import escape_terminal

if TYPE_CHECKING:
    from trueline.runs.record import RunRecord


def report(found: Any, lines: Iterable[str], as_json: bool) -> None:
    """What came of a command: the record itself as JSON, or its lines for a person, with what
    foreign texts hold made safe for a terminal."""
    if as_json:
        show_json(found)
        return
    for line in lines:
        print(escape_terminal(line))


def show_json(found: Any) -> None:
    """A record as JSON for other programs; paths as texts."""
    print(msgspec.json.format(msgspec.json.encode(found, enc_hook=str), indent=2).decode())


def fell_short(run: RunRecord) -> bool:
    """Whether a run is not done, or had rows that could not be read (an input that breaks off is
    no done work); said on stderr."""
    if not run.complete:
        print(f"trueline: {run.status}: {escape_terminal(run.note or '')}", file=sys.stderr)
    elif run.unreadable:
        print(f"trueline: {run.unreadable:,} rows could not be read", file=sys.stderr)
    return not run.complete or bool(run.unreadable)
