"""Outside formats, one file each, both ways.

To add one, copy a sibling: a module of this folder that defines `FORMAT` is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.files.rows import Row
from trueline.records.types import Example, Label, LabellerId, Message, Reject

Mapped = Mapping[str, Sequence[str]]
"""From the names of parts ("prompt", "response", "tag:lang", …) to the user's columns."""


Fields = dict[str, Any]
"""A row of an outside format, by column."""


class Format(Struct, frozen=True):
    """An outside format.

    `read` makes an Example of a row (its second argument is the Example's occurrence number, to
    hand on to `Example.new`), `write` a row of an Example, or several; both give a Reject
    with the reason where they cannot.

    `reads` names the columns that `read` takes notice of; `overlooks`, where cells are deep, names
    what it leaves unread inside them.  `holds` are the parts, of those in `PARTS`, that `write`
    keeps, `answers` the ids of the questions whose labels it keeps and `tags` the keys of the
    tags; `also` adds what one Example loses beyond that.  `licence` is a note on the data that
    commonly comes in this format.  A format that needs to be told which column is which sets
    `mapped`.
    """

    name: str
    about: str
    reads: frozenset[str]
    holds: frozenset[str]
    read: Callable[[Row, int], Example | Reject]
    write: Callable[[Example], Fields | list[Fields] | Reject]
    answers: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    overlooks: Callable[[Row], Iterable[str]] | None = None
    also: Callable[[Example], Iterable[str]] | None = None
    licence: str | None = None
    mapped: Callable[[Mapped], Format] | None = None

    def rows(self, example: Example) -> list[Fields] | Reject:
        """The rows that the example becomes, or why it becomes none."""
        found = self.write(example)
        return [found] if isinstance(found, dict) else found

    def loses(self, example: Example) -> list[str]:
        """What this example has and its rows will lack."""
        kept = [label for label in example.labels if label.question in self.answers]
        questions = {label.question for label in example.labels} - self.answers
        keys = {tag.partition(":")[0] for tag in example.tags} - self.tags
        found = [p for p, has in PARTS.items() if p not in self.holds and has(example)]
        found += [f"label {question}" for question in sorted(questions)]
        if any(label.by != LabellerId("imported", self.name) for label in kept):
            found.append("who answered")
        if any(_detailed(label) for label in kept):
            found.append("details of labels")
        found += [f"tag {key}" for key in sorted(keys)]
        return found + [part for part in (self.also or _none)(example) if part not in found]

    def unread(self, row: Row) -> set[str]:
        """The columns and the parts of cells that `read` takes no notice of."""
        inside = set(self.overlooks(row)) if self.overlooks else set()
        return (row.fields.keys() - self.reads) | inside


def _none(_: Example) -> Iterable[str]:
    return ()


def _detailed(label: Label) -> bool:
    details = (label.unscored, label.probability, label.turn, label.time, label.note)
    return any(detail is not None for detail in details)


def _turns(example: Example) -> list[Message]:
    return [*example.prompt, *(turn for r in example.responses for turn in r.messages)]


PARTS: dict[str, Callable[[Example], bool]] = {
    "prompt": lambda e: bool(e.prompt),
    "responses": lambda e: bool(e.responses),
    "system turns": lambda e: any(turn.role == "system" for turn in _turns(e)),
    "developer turns": lambda e: any(turn.role == "developer" for turn in _turns(e)),
    "reasoning": lambda e: any(turn.reasoning is not None for turn in _turns(e)),
    "tool calls": lambda e: any(turn.tool_calls for turn in _turns(e)),
    "tool call ids": lambda e: any(
        turn.tool_call_id is not None or any(call.id for call in turn.tool_calls)
        for turn in _turns(e)
    ),
    "responses beyond the pair": lambda e: len(e.responses) > 2,
    "models of the responses": lambda e: any(r.model is not None for r in e.responses),
    "sampling and finish reasons": lambda e: any(
        r.sampling or r.finish or r.folded for r in e.responses
    ),
    "candidate prompts": lambda e: bool(e.candidates),
    "task": lambda e: e.task is not None,
    "questions": lambda e: bool(e.questions),
    "source": lambda e: e.source is not None,
    "licence": lambda e: e.source is not None and e.source.license is not None,
    "parents and recipe": lambda e: bool(e.parents) or e.recipe is not None,
}
"""What an Example can have beside labels and tags, and whether one has it."""

CONVERSATION = frozenset(
    {
        "prompt",
        "responses",
        "system turns",
        "developer turns",
        "reasoning",
        "tool calls",
        "tool call ids",
    }
)
"""The parts that lists of messages hold as `records.conversation` writes them."""


def every() -> dict[str, Format]:
    """All formats by name."""
    from trueline.formats import kinds  # they import this module

    found = {}
    for module in pkgutil.iter_modules(kinds.__path__):
        format = importlib.import_module(f"{kinds.__name__}.{module.name}").FORMAT
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
    from trueline.records.store.validate import reject_example

    return reject_example("write", reason, example)


def bad_row(row: Row, reason: str) -> Reject:
    """The Reject of a row that a format cannot read."""
    from trueline.records.store.validate import new_reject

    raw = msgspec.json.encode(row.fields, enc_hook=str).decode()
    return new_reject("read", reason, raw, row.file, row.number)
