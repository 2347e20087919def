"""Typed cells of foreign rows: as JSON and Parquet give them, and as texts in CSV."""

from __future__ import annotations

from typing import Any

import msgspec

from trueline.records.conversation import Malformed


def value(fields: dict[str, Any], column: str) -> Any:
    """The cell of a column that may be absent; None for null, NaN and the empty cell of CSV."""
    cell = fields.get(column)
    return None if cell != cell or cell == "" else cell


def text(cell: Any, column: str) -> str:
    """A text that says something.  Raises Malformed, as the others here, with the column's name."""
    if cell is None or cell != cell or (isinstance(cell, str) and not cell.strip()):
        raise Malformed(f"{column} is blank")
    if not isinstance(cell, str):
        raise Malformed(f"{column} is no text")
    return cell


def flag(cell: Any, column: str) -> bool:
    """True or false; CSV has them as words."""
    value = {"true": True, "false": False}.get(cell.lower()) if isinstance(cell, str) else cell
    if not isinstance(value, bool):
        raise Malformed(f"{column} is neither true nor false but {_describe(cell)}")
    return value


def whole_number(cell: Any, column: str, allowed: range) -> int:
    """One of a few whole numbers; pandas makes floats of them if the column has gaps."""
    is_digits = isinstance(cell, str) and cell.strip().isdecimal()
    value = int(cell) if is_digits or (isinstance(cell, float) and cell.is_integer()) else cell
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        limits = f"from {allowed[0]} to {allowed[-1]}"
        raise Malformed(f"{column} is no whole number {limits} but {_describe(cell)}")
    return value


def _describe(cell: Any) -> str:
    """A short value as it is, a long one by its kind: it may be anything, texts of harm too."""
    if cell is None or isinstance(cell, bool | int | float):
        return msgspec.json.encode(cell).decode()
    return f"a {type(cell).__name__}"
