"""Typed cells of foreign rows: as JSON and Parquet give them, and as texts in CSV."""

from __future__ import annotations

from typing import Any

import msgspec

from trueline.records.conversation import Malformed


def given(fields: dict[str, Any], column: str) -> Any:
    """The value in a column that may be absent; None for null, NaN and the empty cell of CSV."""
    value = fields.get(column)
    return None if value != value or value == "" else value


def text(value: Any, column: str) -> str:
    """A text that says something.  Raises Malformed, as the others here, with the column's name."""
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        raise Malformed(f"{column} is blank")
    if not isinstance(value, str):
        raise Malformed(f"{column} is no text")
    return value


def flag(value: Any, column: str) -> bool:
    """True or false; CSV has them as words."""
    found = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise Malformed(f"{column} is neither true nor false but {_told(value)}")
    return found


def whole(value: Any, column: str, among: range) -> int:
    """One of a few whole numbers; pandas makes floats of them where the column has gaps."""
    digits = isinstance(value, str) and value.strip().isdecimal()
    number = int(value) if digits or (isinstance(value, float) and value.is_integer()) else value
    if isinstance(number, bool) or not isinstance(number, int) or number not in among:
        raise Malformed(
            f"{column} is no whole number from {among[0]} to {among[-1]} but {_told(value)}"
        )
    return number


def _told(value: Any) -> str:
    """A short value as it is, a long one by its kind: it may be anything, texts of harm too."""
    if value is None or isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    return f"a {type(value).__name__}"
