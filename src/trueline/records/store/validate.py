"""What may not be stored: text that is not Unicode, numbers that have no JSON or 64-bit form."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from trueline.files.text import BadRow, clean, storable_text
from trueline.records.types import Choice, Example, Reject, Value

_encode = msgspec.json.Encoder().encode


def why_invalid(record: Example | Reject) -> str | None:
    """Why this record cannot be stored and read back exactly, or None where it can."""
    example = record if isinstance(record, Example) else record.example
    if example is not None:
        for place, number in _numbers(example):
            if isinstance(number, float) and not math.isfinite(number):
                return f"{place} is {number}, which is no finite number"
            if isinstance(number, int) and not -(2**63) <= number < 2**63:
                return f"{place} is beyond 64 bits"
    try:
        _encode(record)
    except UnicodeEncodeError:
        return f"{_surrogate(msgspec.to_builtins(record), '')} holds a lone surrogate (not Unicode)"
    return None


def new_reject(step: str, message: str, raw: Any, file: Path | None = None, row: int = 0) -> Reject:
    """A Reject that can itself be stored, whatever it holds.

    Its reason is what the message says before its first colon, the rest is detail.
    """
    name = clean(str(file)) if file else None
    reason, _, detail = clean(message).partition(": ")
    return Reject(
        step=step,
        reason=reason,
        detail=detail,
        file=name,
        row=row or None,
        raw=storable_text(raw),
    )


def reject_example(step: str, message: str, example: Example) -> Reject:
    """The Reject of an Example; reason and detail are told apart as `new_reject` does."""
    reason, _, detail = message.partition(": ")
    return Reject(step, reason, example, detail=detail)


def reject_bad_row(bad: BadRow) -> Reject:
    """The Reject of a row that could not be read."""
    return new_reject("read", bad.reason, bad.raw, bad.file, bad.number)


def storable_reject(found: Reject) -> Reject:
    """The reject, or, where its example could not be read back, one that holds it as raw text."""
    if why_invalid(found) is None:
        return found
    raw = found.example if found.example is not None else found.raw
    file = Path(found.file) if found.file else None
    return new_reject(found.step, found.message, raw, file, found.row or 0)


def _numbers(example: Example) -> Iterator[tuple[str, Value | None]]:
    """Every number of the record, with the name of its place."""
    for response in example.responses:
        if (drawn := response.sampling) is not None:
            for name in ("temperature", "top_p", "max_tokens", "seed"):
                yield f"sampling.{name}", getattr(drawn, name)
    for label in example.labels:
        for name in ("value", "probability", "turn", "sequence"):
            yield f"label.{name}", getattr(label, name)
        yield from (("label.about", index) for index in label.about)
        yield "label.by.version", label.by.version
    yield from (("candidate.score", candidate.score) for candidate in example.candidates)
    for question in example.questions:
        yield "question.weight", question.weight
        yield "question.otherwise", question.otherwise
        yield from (("question.when", value) for value in question.when.values())
        yield from (("question.levels", level) for level in question.levels)
    if example.source is not None:
        yield "source.row", example.source.row
    if isinstance(example.task, Choice):
        yield "task.gold", example.task.gold


def _surrogate(value: Any, place: str) -> str:
    """The place of the first text that is not Unicode, empty where there is none."""
    if isinstance(value, str):
        return place if clean(value) != value else ""
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, (list, tuple)):
        inside = enumerate(value)
    found = (_surrogate(part, f"{place}.{key}".lstrip(".")) for key, part in inside)
    return next((f for f in found if f), "")
