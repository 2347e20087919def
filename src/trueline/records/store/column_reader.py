"""Records from Arrow columns, as `columns` lays them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Struct, inspect

from trueline.records.store.columns import (
    SPREAD,
    column_type,
    derive_schema,
    fields_of,
    is_spread,
    item_of,
    struct_of,
)

Row = dict[str, Any]


def read_batch(struct: type[Struct], batch: pa.RecordBatch, *, flat: bool) -> Iterator[Any]:
    """The records of a batch.  Raises ValueError or the like at a row that is none."""
    if flat:
        yield from _read_flat(struct, batch)
        return
    mend = _mend_struct(struct)
    for row in batch.to_pylist():
        yield msgspec.convert(row if mend is None else mend(row), struct)


# ---- flat tables: a column at a time, for they have many short rows --------------------------


def _read_flat(struct: type[Struct], batch: pa.RecordBatch) -> Iterator[Any]:
    columns: list[list[Any]] = []
    for field in fields_of(struct):
        name, inside = field.name, struct_of(field.type)
        if is_spread(field.type):
            columns.append(_read_spread(batch, name))
        elif inside is not None:
            columns.append(_read_structs(batch, name, inside))
        else:
            columns.append(_read_plain(batch, field))
    return map(struct, *columns)


def _read_plain(batch: pa.RecordBatch, field: inspect.Field) -> list[Any]:
    array = batch.column(field.name)
    if array.type != column_type(field.type):
        raise ValueError(f"{field.name} is a column of {array.type}")
    if array.null_count and not _may_be_none(field.type):
        raise ValueError(f"{field.name} is null")
    values: list[Any] = array.to_pylist()
    return values if item_of(field.type) is None else [(v and tuple(v)) or () for v in values]


def _read_structs(batch: pa.RecordBatch, name: str, struct: type[Struct]) -> list[Any]:
    """Structs that many rows share, such as the labeller, are made once."""
    names = derive_schema(struct).names
    columns = [batch.column(f"{name}_{part}") for part in names]
    mend = _mend_struct(struct) or (lambda row: row)
    made: dict[tuple[Any, ...], Any] = {}
    structs = []
    for row in zip(*map(_hashable_values, columns), strict=True):
        if row not in made:
            made[row] = msgspec.convert(mend(dict(zip(names, row, strict=True))), struct)
        structs.append(made[row])
    return structs


def _hashable_values(array: pa.Array) -> list[Any]:
    values: list[Any] = array.to_pylist()
    return [tuple(v) if isinstance(v, list) else v for v in values]


def _read_spread(batch: pa.RecordBatch, name: str) -> list[Any]:
    values: list[Any] = [None] * batch.num_rows
    for suffix, kind in SPREAD.items():
        array = batch.column(f"{name}_{suffix}")
        if array.null_count == batch.num_rows:
            continue
        if array.type != kind:
            raise ValueError(f"{name}_{suffix} is a column of {array.type}")
        for at, value in enumerate(array.to_pylist()):
            if value is not None:
                values[at] = _choose(name, suffix, values[at], value)
    return values


def _may_be_none(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.UnionType) and any(
        isinstance(part, inspect.NoneType) for part in kind.types
    )


# ---- nested tables: by row, for msgspec checks them ------------------------------------------


@cache
def _mend_struct(struct: type[Struct]) -> Callable[[Row], Row] | None:
    """Makes a row of plain data what `msgspec.convert` takes; None if it is that already."""
    steps: list[Callable[[Row], None]] = []
    for field in fields_of(struct):
        if is_spread(field.type):
            steps.append(partial(_gather, field.name))
        elif column_type(field.type) is None:
            steps.append(partial(_decode, field.name))
        elif (mend := _mend_value(field.type)) is not None:
            steps.append(partial(_replace, field.name, mend))

    def mend_row(row: Row) -> Row:
        for step in steps:
            step(row)
        return row

    return mend_row if steps else None


def _mend_value(kind: inspect.Type) -> Callable[[Any], Any] | None:
    if (struct := struct_of(kind)) is not None:
        mend = _mend_struct(struct)
        return None if mend is None else lambda row: row and mend(row)
    item = item_of(kind)
    inside = None if item is None else _mend_value(item)
    return None if inside is None else lambda values: [inside(value) for value in values]


def _gather(name: str, row: Row) -> None:
    value = None
    for suffix in SPREAD:
        if (found := row.pop(f"{name}_{suffix}")) is not None:
            value = _choose(name, suffix, value, found)
    row[name] = value


def _decode(name: str, row: Row) -> None:
    # left out if null: the default of the type stands then
    if (text := row.pop(name)) is not None:
        row[name] = msgspec.json.decode(text)


def _replace(name: str, mend: Callable[[Any], Any], row: Row) -> None:
    if name in row:
        row[name] = mend(row[name])


def _choose(name: str, suffix: str, earlier: Any, value: Any) -> Any:
    """The value of a spread field; of a number that is whole, the one that stands in `int`."""
    if earlier is not None and not (suffix == "int" and earlier == float(value)):
        raise ValueError(f"{name} has values of two types")
    return tuple(value) if suffix == "list" else value
