"""Which labels count: one rule, for everything that reads labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from trueline.records.types import Example, Label


class _Statement(NamedTuple):
    """A label and its place among the statements of its labeller."""

    place: tuple[int, bool, str, int, str]
    label: Label


def effective_labels(labels: Iterable[Label]) -> tuple[Label, ...]:
    """The labels that count, of all statements about one Example.

    Statements are ordered by their writers' `sequence`, never by time, so it does not matter in
    which order files of labels are read.  Of the statements of one labeller about one question and
    the same texts:

    - a retraction removes all that stand before it; later ones count again
    - the last answer counts, and any answer rather than `unscored`
    - only those of the highest version of an instrument count; instruments of one name whose
      version is equal or unknown are different labellers
    """
    given = tuple(labels)
    if _all_count(given):
        return given
    groups: dict[object, list[_Statement]] = defaultdict(list)
    for number, label in enumerate(given):
        groups[_labeller(label)].append(_Statement(_place(label, number), label))
    counting: list[_Statement] = []
    for statements in groups.values():
        versions = [s.label.by.version for s in statements if s.label.by.version is not None]
        newest = max(versions, default=None)
        instruments: dict[str | None, list[_Statement]] = defaultdict(list)
        for statement in statements:
            if statement.label.by.version == newest:
                instruments[statement.label.by.instrument].append(statement)
        counting += [s for several in instruments.values() if (s := _last(several))]
    return tuple(statement.label for statement in sorted(counting, key=_by_place))


def with_effective_labels(example: Example) -> Example:
    """The Example with only those of its labels that count."""
    counting = effective_labels(example.labels)
    if counting is example.labels:  # the very tuple: nothing was left out or moved
        return example
    return msgspec.structs.replace(example, labels=counting)


def _all_count(labels: Sequence[Label]) -> bool:
    """A quick look, for the usual case: each speaks of something else, in order."""
    things, before = set[object](), (0, "")
    for label in labels:
        by, place = label.by, (label.sequence, label.writer or "")
        things.add((by.kind, by.name, label.question_hash, label.about, label.turn))
        if label.retracted or place < before or (label.writer and place == before):
            return False
        before = place
    return len(things) == len(labels)


def _place(label: Label, number: int) -> tuple[int, bool, str, int, str]:
    if label.writer is None:  # not stored yet: its order is that of the list
        return (label.sequence, False, "", number, "")
    return (label.sequence, True, label.writer, 0, label.id)


def _by_place(statement: _Statement) -> tuple[int, bool, str, int, str]:
    return statement.place


def _labeller(label: Label) -> object:
    """Who spoke of what.  Equal responses have equal texts, but `about` tells them apart."""
    by = label.by
    unknown = by.instrument if by.version is None else ""
    known = by.version is not None
    what = (label.question_hash, label.about, label.texts, label.turn)
    return (by.kind, by.name, known, unknown, what)


def _last(statements: Sequence[_Statement]) -> _Statement | None:
    """The one that counts, of one instrument's statements about one thing."""
    ordered = sorted(statements, key=_by_place)
    retracted = [at for at, s in enumerate(ordered) if s.label.retracted]
    standing = ordered[retracted[-1] + 1 :] if retracted else ordered
    answers = [s for s in standing if s.label.unscored is None]
    counting = answers or standing
    return counting[-1] if counting else None
