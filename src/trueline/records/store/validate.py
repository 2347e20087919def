"""What may not be stored: text that is not Unicode, numbers that have no JSON or 64-bit form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, inspect

from trueline.files.text import BadRow, clean, storable_text
from trueline.records.types import Example, Reject

_encode = msgspec.json.Encoder().encode


_Check = Callable[[Any], str | None]
"""Gives the place of a number that cannot be stored, and why; None if there is none."""


class Unstorable(ValueError):
    """A record that cannot be stored and read back exactly; the message names the place."""


def stored_size(record: Struct) -> int:
    """About how many bytes a record holds.  Raises Unstorable if it cannot be stored."""
    check = _check_struct(type(record))
    if check is not None and (why := check(record)) is not None:
        raise Unstorable(why.lstrip("."))
    try:
        return len(_encode(record))
    except UnicodeEncodeError:
        place = _surrogate(msgspec.to_builtins(record), "")
        raise Unstorable(f"{place} holds a lone surrogate (not Unicode)") from None


def why_invalid(record: Struct) -> str | None:
    """Why this record cannot be stored and read back exactly, with the place; None if it can."""
    try:
        stored_size(record)
    except Unstorable as error:
        return str(error)
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


def storable_reject(reject: Reject) -> Reject:
    """The reject, or, if its example could not be read back, one that holds it as raw text."""
    if why_invalid(reject) is None:
        return reject
    raw = reject.example if reject.example is not None else reject.raw
    file = Path(reject.file) if reject.file else None
    return new_reject(reject.step, reject.message, raw, file, reject.row or 0)


# ---- numbers and texts -----------------------------------------------------------------------


@cache
def _check_struct(struct: type[Struct]) -> _Check | None:
    """A check of the fields that may hold numbers, by their types."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    checks = [
        (f".{field.name}", attrgetter(field.name), check)
        for field in info.fields
        if (check := _check_type(field.type)) is not None
    ]

    def check_fields(record: Any) -> str | None:
        for place, get, check in checks:
            value = get(record)
            if value is not None and (why := check(value)) is not None:
                return f"{place}{why}"
        return None

    return check_fields if checks else None


def _check_type(kind: inspect.Type) -> _Check | None:
    if isinstance(kind, (inspect.IntType, inspect.FloatType)):
        return _check_number
    if isinstance(kind, inspect.StructType):
        return _check_struct(kind.cls)
    if isinstance(kind, inspect.VarTupleType):
        return _check_items(kind.item_type, enumerate)
    if isinstance(kind, inspect.DictType):
        return _check_items(kind.value_type, lambda mapping: mapping.items())
    if isinstance(kind, inspect.UnionType):
        structs = [t.cls for t in kind.types if isinstance(t, inspect.StructType)]
        if structs:
            checks = {struct: _check_struct(struct) for struct in structs}
            return lambda value: (checks[type(value)] or _check_nothing)(value)
        others = [check for t in kind.types if (check := _check_type(t)) is not None]
        return _check_number if _check_number in others else next(iter(others), None)
    return None


def _check_number(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f" is {value}, which is no finite number"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return " is beyond 64 bits"
    return None


def _check_nothing(value: Any) -> str | None:
    return None


def _check_items(
    kind: inspect.Type, items: Callable[[Any], Iterable[tuple[Any, Any]]]
) -> _Check | None:
    check = _check_type(kind)
    if check is None:
        return None

    def check_all(values: Any) -> str | None:
        for key, value in items(values):
            if (why := check(value)) is not None:
                return f".{key}{why}"
        return None

    return check_all


def _surrogate(value: Any, place: str) -> str:
    """The place of the first text that is not Unicode, empty if there is none."""
    if isinstance(value, str):
        return place if clean(value) != value else ""
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, (list, tuple)):
        inside = enumerate(value)
    places = (_surrogate(part, f"{place}.{key}".lstrip(".")) for key, part in inside)
    return next((p for p in places if p), "")
