"""Rows from Arrow columns, a whole column at a time: Arrow makes Python values one by one slowly.

The layout is that of `columns.schema`; the rows are plain data that `msgspec.convert` takes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Struct, inspect

from trueline.records.store.columns import (
    VALUE_COLUMNS,
    Row,
    fields_of,
    is_spread,
    item_of,
    struct_of,
    typed_column,
)


def read_rows(struct: type[Struct], batch: pa.RecordBatch, *, flat: bool = False) -> list[Row]:
    """The rows of a batch; a field that has no column in it is left out."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    return _rows(struct, columns, batch.num_rows, flat)


def _rows(struct: type[Struct], columns: dict[str, Any], count: int, flat: bool) -> list[Row]:
    lists: dict[str, list[Any]] = {}
    for field in fields_of(struct):
        name, inside = field.name, struct_of(field.type)
        parts = {
            column.removeprefix(f"{name}_"): array
            for column, array in columns.items()
            if column.startswith(f"{name}_")
        }
        if is_spread(field.type) and parts:
            lists[name] = _values(parts, count)
        elif flat and inside is not None and parts:
            lists[name] = _rows(inside, parts, count, flat=False)
        elif name in columns and typed_column(field.type) is None:
            default = field.default  # what stands for null
            lists[name] = [
                default if text is None else msgspec.json.decode(text)
                for text in _scalars(columns[name])
            ]
        elif name in columns:
            lists[name] = _column(field.type, columns[name])
    if not lists:
        return [{} for _ in range(count)]
    names = tuple(lists)
    return [dict(zip(names, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _column(kind: inspect.Type, array: Any) -> list[Any]:
    if array.null_count == len(array):
        return [None] * len(array)
    if (item := item_of(kind)) is not None and pa.types.is_list(array.type):
        return _where_valid(array, _lists(item, array))
    if (struct := struct_of(kind)) is not None and pa.types.is_struct(array.type):
        names = [array.type.field(at).name for at in range(array.type.num_fields)]
        inside = {name: array.field(at) for at, name in enumerate(names)}
        return _where_valid(array, _rows(struct, inside, len(array), flat=False))
    return _scalars(array)


def _lists(item: inspect.Type, array: Any) -> list[Any]:
    offsets = array.offsets.to_numpy().tolist()
    first, last = offsets[0], offsets[-1]
    values = _column(item, array.values.slice(first, last - first))
    return [values[start - first : end - first] for start, end in pairwise(offsets)]


def _scalars(array: Any) -> list[Any]:
    kind = array.type
    if array.null_count == len(array):
        return [None] * len(array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        # null has no form in NumPy's numbers
        filled = array.fill_null(pa.scalar(0).cast(kind)) if array.null_count else array
        return _where_valid(array, filled.to_numpy(zero_copy_only=False).tolist())
    if pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return list(array.to_numpy(zero_copy_only=False).tolist())
    return list(array.to_pylist())  # columns of other types than ours, too


def _where_valid(array: Any, values: list[Any]) -> list[Any]:
    """The values, None if the array has null there."""
    if not array.null_count:
        return values
    valid = array.is_valid().to_numpy(zero_copy_only=False).tolist()
    return [value if v else None for value, v in zip(values, valid, strict=True)]


def _values(columns: dict[str, Any], count: int) -> list[Any]:
    """The one value of several columns; a number that is whole is read from `int`."""
    values: list[Any] = [None] * count
    for kind in VALUE_COLUMNS:
        array = columns[kind]
        if array.null_count == count:
            continue
        for at, value in enumerate(array.to_pylist() if kind == "list" else _scalars(array)):
            if value is None:
                continue
            if values[at] is not None and kind != "int":
                raise ValueError("a value of two types")
            values[at] = value
    return values
