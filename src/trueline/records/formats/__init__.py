"""Outside formats, one file each, both ways.

To add one, copy a sibling: a module of this folder that defines `FORMAT` is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trueline.records.errors import InputError
from trueline.records.rows import Row
from trueline.records.types import Example, Reject

Mapped = Mapping[str, Sequence[str]]
"""From the names of parts ("prompt", "response", "tag:lang", …) to the user's columns."""


class Format(Struct, frozen=True):
    """An outside format.

    `read` makes an Example of a row (its second argument is the Example's occurrence number, to
    hand on to `records.ids.example`), `write` a row of an Example; both give a Reject with the
    reason where they cannot.  `reads` names the columns that `read` takes notice of; `holds` the
    parts, of those in `PARTS`, that `write` keeps.  `licence` is a note on the data that commonly
    comes in this format.  A format that needs to be told which column is which sets `mapped`.
    """

    name: str
    about: str
    reads: frozenset[str]
    holds: frozenset[str]
    read: Callable[[Row, int], Example | Reject]
    write: Callable[[Example], dict[str, Any] | Reject]
    licence: str | None = None
    mapped: Callable[[Mapped], Format] | None = None

    def loses(self, example: Example) -> list[str]:
        """The parts that this example has and the format cannot hold."""
        return [p for p, has in PARTS.items() if p not in self.holds and has(example)]


def _turns(example: Example) -> list[Any]:
    return [*example.prompt, *(turn for r in example.responses for turn in r.messages)]


PARTS: dict[str, Callable[[Example], bool]] = {
    "prompt": lambda e: bool(e.prompt),
    "responses": lambda e: bool(e.responses),
    "system and developer turns": lambda e: any(
        m.role in ("system", "developer") for m in e.prompt
    ),
    "reasoning": lambda e: any(turn.reasoning is not None for turn in _turns(e)),
    "tool calls": lambda e: any(turn.tool_calls or turn.tool_call_id for turn in _turns(e)),
    "responses beyond the pair": lambda e: len(e.responses) > 2,
    "models of the responses": lambda e: any(r.model is not None for r in e.responses),
    "sampling and finish reasons": lambda e: any(
        r.sampling or r.finish or r.folded for r in e.responses
    ),
    "preference": lambda e: any(x.question == "preferred" for x in e.labels),
    "who preferred": lambda e: any(x.question == "preferred" for x in e.labels),
    "labels other than the preference": lambda e: any(x.question != "preferred" for x in e.labels),
    "candidate prompts": lambda e: bool(e.candidates),
    "task": lambda e: e.task is not None,
    "questions": lambda e: bool(e.questions),
    "source": lambda e: e.source is not None,
    "licence": lambda e: e.source is not None and e.source.license is not None,
    "parents and recipe": lambda e: bool(e.parents) or e.recipe is not None,
    "domain tag": lambda e: e.tag("domain") is not None,
    "other tags": lambda e: any(not tag.startswith("domain:") for tag in e.tags),
}
"""What an Example can have, and whether one has it."""


def every() -> dict[str, Format]:
    """All formats by name."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        format = importlib.import_module(f"{__name__}.{module.name}").FORMAT
        found[format.name] = format
    return found


def named(name: str, mapping: Mapped | None = None) -> Format:
    """A format ready for use; InputError for an unknown name or a mapping out of place."""
    formats = every()
    if name not in formats:
        raise InputError(f"unknown format {name!r}: there are {', '.join(sorted(formats))}")
    format = formats[name]
    if format.mapped is not None:
        return format.mapped(mapping or {})
    if mapping:
        raise InputError(f"{name} knows its columns: --map belongs to --from columns")
    return format


def turned_away(example: Example, reason: str) -> Reject:
    """The Reject of an Example that a format cannot write."""
    return Reject(step="write", reason=reason, example=example)


def bad_row(row: Row, reason: str) -> Reject:
    """The Reject of a row that a format cannot read."""
    from trueline.records.border import reject

    raw = msgspec.json.encode(row.fields, enc_hook=str).decode()
    return reject("read", reason, raw, row.file, row.number)
