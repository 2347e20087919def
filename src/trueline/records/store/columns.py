"""Arrow columns derived from our types: a field that a type gains has its column at once.

Text, numbers, lists and structs are typed columns.  A field that may hold values of several types
becomes one column a type (`value_bool`, `value_number`, …).  Whatever has no such form (mappings,
tagged unions) is canonical JSON, null if the field has its default.  In a flat table the fields of
a struct are columns of their own (`by_name`).  `column_reader` reads what is written here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import accumulate, chain
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Struct, inspect

_json = msgspec.json.Encoder(order="sorted")

_SCALARS: dict[type[inspect.Type], pa.DataType] = {
    inspect.BoolType: pa.bool_(),
    inspect.IntType: pa.int64(),
    inspect.FloatType: pa.float64(),
    inspect.StrType: pa.string(),
    inspect.LiteralType: pa.string(),
}
SPREAD = {
    "bool": pa.bool_(),
    "number": pa.float64(),
    "int": pa.int64(),
    "text": pa.string(),
    "list": pa.list_(pa.string()),
}
"""By suffix, the columns of a field of several types.  Every number stands in `number`, for people
to compute with; one that is whole stands in `int` too, to be read back exactly."""


# ---- types -----------------------------------------------------------------------------------


def derive_schema(
    struct: type[Struct], *, flat: bool = False, leave_out: Collection[str] = ()
) -> pa.Schema:
    """The columns of a type."""
    columns: list[pa.Field] = []
    for field in fields_of(struct):
        inside = struct_of(field.type)
        if field.name in leave_out:
            continue
        if flat and inside is not None:
            parts = (column for part in fields_of(inside) for column in _columns(part))
            columns += [pa.field(f"{field.name}_{part.name}", part.type) for part in parts]
        else:
            columns += _columns(field)
    return pa.schema(columns)


@cache
def fields_of(struct: type[Struct]) -> tuple[inspect.Field, ...]:
    """The fields of a type, with their types."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return info.fields


def struct_of(kind: inspect.Type) -> type[Struct] | None:
    """The struct that a field of this type may hold."""
    kind = _without_none(kind)
    return kind.cls if isinstance(kind, inspect.StructType) else None


def item_of(kind: inspect.Type) -> inspect.Type | None:
    """What a list of this type is of."""
    kind = _without_none(kind)
    return kind.item_type if isinstance(kind, inspect.VarTupleType) else None


def is_spread(kind: inspect.Type) -> bool:
    """Whether a field of this type is spread over columns by the type of its value."""
    kind = _without_none(kind)
    return isinstance(kind, inspect.UnionType) and all(
        type(part) in _SCALARS or isinstance(part, inspect.VarTupleType) for part in kind.types
    )


def column_type(kind: inspect.Type) -> pa.DataType | None:
    """The type of one column, None if only JSON can hold it."""
    kind = _without_none(kind)
    if type(kind) in _SCALARS:
        return _SCALARS[type(kind)]
    if (item := item_of(kind)) is not None:
        inside = column_type(item)
        return None if inside is None else pa.list_(inside)
    if not isinstance(kind, inspect.StructType) or kind.tag is not None:
        return None
    fields = fields_of(kind.cls)
    if not all(is_spread(field.type) or column_type(field.type) is not None for field in fields):
        return None
    return pa.struct([column for field in fields for column in _columns(field)])


def _without_none(kind: inspect.Type) -> inspect.Type:
    if isinstance(kind, inspect.UnionType):
        rest = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
        return rest[0] if len(rest) == 1 else inspect.UnionType(tuple(rest))
    return kind


def _columns(field: inspect.Field) -> list[pa.Field]:
    if is_spread(field.type):
        return [pa.field(f"{field.name}_{suffix}", kind) for suffix, kind in SPREAD.items()]
    return [pa.field(field.name, column_type(field.type) or pa.string())]


# ---- writing ---------------------------------------------------------------------------------


def to_table(struct: type[Struct], records: Sequence[Any], schema: pa.Schema) -> pa.Table:
    """The records as a table with a schema of their type; built a column at a time, which is much
    quicker than from rows."""
    names = set(schema.names)
    arrays: dict[str, pa.Array] = {}
    for field in fields_of(struct):
        inside = struct_of(field.type)
        if field.name not in names and inside is not None:
            values = _get(records, field.name)
            for part in fields_of(inside):
                found = _arrays(part, _get(values, part.name))
                arrays |= {f"{field.name}_{name}": array for name, array in found}
        elif field.name in names or is_spread(field.type):
            arrays |= dict(_arrays(field, _get(records, field.name)))
    return pa.Table.from_arrays([arrays[name] for name in schema.names], schema=schema)


def _arrays(field: inspect.Field, values: list[Any]) -> Iterator[tuple[str, pa.Array]]:
    """The columns of one field, named."""
    if is_spread(field.type):
        for (suffix, kind), column in zip(SPREAD.items(), _spread(values), strict=True):
            yield f"{field.name}_{suffix}", pa.array(column, kind)
    elif column_type(field.type) is None:
        default = field.default
        texts = [None if v == default else _json.encode(v).decode() for v in values]
        yield field.name, pa.array(texts, pa.string())
    else:
        yield field.name, _array(field.type, values)


def _array(kind: inspect.Type, values: list[Any]) -> pa.Array:
    if (item := item_of(kind)) is not None:
        offsets = [0, *accumulate(0 if several is None else len(several) for several in values)]
        inside = _array(item, list(chain.from_iterable(filter(None, values))))
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), inside)
    if (struct := struct_of(kind)) is not None:
        columns = [c for f in fields_of(struct) for c in _arrays(f, _get(values, f.name))]
        arrays = [array for _, array in columns]
        nulls = pa.array([value is None for value in values], pa.bool_())
        return pa.StructArray.from_arrays(arrays, [name for name, _ in columns], mask=nulls)
    return pa.array(values, column_type(kind))


def _get(records: Sequence[Any], name: str) -> list[Any]:
    return [None if record is None else getattr(record, name) for record in records]


def _spread(values: list[Any]) -> Iterator[list[Any]]:
    """The values by the columns in which they stand, in the order of SPREAD."""
    flags = [isinstance(v, bool) for v in values]
    numbers = [None if flag else v for v, flag in zip(values, flags, strict=True)]
    yield [v if flag else None for v, flag in zip(values, flags, strict=True)]
    yield [float(v) if isinstance(v, (int, float)) else None for v in numbers]
    yield [v if isinstance(v, int) else None for v in numbers]
    yield [v if isinstance(v, str) else None for v in values]
    yield [v if isinstance(v, tuple) else None for v in values]
