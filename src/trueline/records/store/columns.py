"""Arrow columns derived from our types: a field that a type gains has its column at once.

`schema` and `row_writer` are one layout, which `column_values.read_rows` reads.

Text, numbers, lists and structs are typed columns.  A field that may hold values of several types
becomes one column a type (`value_bool`, `value_number`, …).  Whatever has no such form (mappings,
tagged unions) is canonical JSON, null if the field has its default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Struct, inspect

Row = dict[str, Any]

_json = msgspec.json.Encoder(order="sorted")

_SCALARS: dict[type[inspect.Type], pa.DataType] = {
    inspect.BoolType: pa.bool_(),
    inspect.IntType: pa.int64(),
    inspect.FloatType: pa.float64(),
    inspect.StrType: pa.string(),
    inspect.LiteralType: pa.string(),
}
VALUE_COLUMNS = {
    "bool": pa.bool_(),
    "number": pa.float64(),
    "int": pa.int64(),
    "text": pa.string(),
    "list": pa.list_(pa.string()),
}
"""By suffix, the columns of a field of several types.  Every number stands in `number`, for people
to compute with; one that is whole stands in `int` too, to be read back exactly."""


def schema(struct: type[Struct], *, flat: bool = False, leave_out: Iterable[str] = ()) -> pa.Schema:
    """The columns of a type; if `flat`, structs inside it are columns of their own (`by_name`)."""
    fields: list[pa.Field] = []
    for field in fields_of(struct):
        if field.encode_name in set(leave_out):
            continue
        inside = struct_of(field.type)
        if flat and inside is not None:
            fields += [pa.field(f"{field.name}_{f.name}", f.type) for f in schema(inside)]
        else:
            fields += _columns(field)
    return pa.schema(fields)


def row_writer(struct: type[Struct], *, flat: bool = False) -> Callable[[Any], Row]:
    """A function from a record of this type to its row of `schema`."""
    steps = [step for field in fields_of(struct) if (step := _write_step(field, flat)) is not None]

    def write(record: Any) -> Row:
        row: Row = msgspec.structs.asdict(record)
        for step in steps:
            step(row)
        return row

    return write


# ---- types -----------------------------------------------------------------------------------


@cache
def fields_of(struct: type[Struct]) -> tuple[inspect.Field, ...]:
    """The fields of a type, with their types."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _without_none(kind: inspect.Type) -> inspect.Type:
    if isinstance(kind, inspect.UnionType):
        rest = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        return rest[0] if len(rest) == 1 else inspect.UnionType(tuple(rest))
    return kind


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
        type(t) in _SCALARS or (isinstance(t, inspect.VarTupleType)) for t in kind.types
    )


def typed_column(kind: inspect.Type) -> pa.DataType | None:
    """The type of one column, None if only JSON can hold it."""
    kind = _without_none(kind)
    if type(kind) in _SCALARS:
        return _SCALARS[type(kind)]
    if (item := item_of(kind)) is not None:
        inside = typed_column(item)
        return None if inside is None else pa.list_(inside)
    struct = struct_of(kind)
    if struct is None or kind.tag is not None:  # type: ignore[attr-defined]  # a struct has a tag
        return None
    fields = fields_of(struct)
    if not all(is_spread(f.type) or typed_column(f.type) is not None for f in fields):
        return None
    return pa.struct([column for f in fields for column in _columns(f)])


def _columns(field: inspect.Field) -> list[pa.Field]:
    name = field.name
    if is_spread(field.type):
        return [pa.field(f"{name}_{kind}", type) for kind, type in VALUE_COLUMNS.items()]
    return [pa.field(name, typed_column(field.type) or pa.string())]


# ---- rows ------------------------------------------------------------------------------------


def _write_step(field: inspect.Field, flat: bool) -> Callable[[Row], None] | None:
    """What is done to a row so that this field's columns stand in it, None for nothing."""
    name, struct = field.name, struct_of(field.type)
    if is_spread(field.type):
        return lambda row: _spread(row, name, row.pop(name))
    if typed_column(field.type) is None:
        default = field.default

        def write_json(row: Row) -> None:
            value = row[name]
            row[name] = None if value == default else _json.encode(value).decode()

        return write_json
    if flat and struct is not None:
        write = row_writer(struct)

        def flatten(row: Row) -> None:
            inside = row.pop(name)
            if inside is not None:
                row |= {f"{name}_{key}": value for key, value in write(inside).items()}

        return flatten
    converted = _write_value(field.type)
    if converted is None:
        return None

    def convert(row: Row) -> None:
        row[name] = converted(row[name])

    return convert


def _write_value(kind: inspect.Type) -> Callable[[Any], Any] | None:
    if (struct := struct_of(kind)) is not None:
        write = row_writer(struct)
        return lambda value: None if value is None else write(value)
    if (item := item_of(kind)) is not None and (inside := _write_value(item)) is not None:
        return lambda values: [inside(value) for value in values]
    return None


def _spread(row: Row, name: str, value: Any) -> None:
    if isinstance(value, bool):
        row[f"{name}_bool"] = value
    elif isinstance(value, int):
        row[f"{name}_number"], row[f"{name}_int"] = float(value), value
    elif isinstance(value, float):
        row[f"{name}_number"] = value
    elif isinstance(value, str):
        row[f"{name}_text"] = value
    elif value is not None:
        row[f"{name}_list"] = value
