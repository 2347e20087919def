"""Arrow columns derived from our types: a field that a type gains has its column at once.

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
_TEXTS = pa.list_(pa.string())
_VALUES = {"bool": pa.bool_(), "number": pa.float64(), "int": pa.int64(), "text": pa.string()}
"""By suffix, the columns of a field of several types.  Every number stands in `number`, for people
to compute with; one that is whole stands in `int` too, to be read back exactly."""


def schema(struct: type[Struct], *, flat: bool = False, leave_out: Iterable[str] = ()) -> pa.Schema:
    """The columns of a type; if `flat`, structs inside it are columns of their own (`by_name`)."""
    fields: list[pa.Field] = []
    for field in _fields(struct):
        if field.encode_name in set(leave_out):
            continue
        inside = _struct_of(field.type)
        if flat and inside is not None:
            fields += [pa.field(f"{field.name}_{f.name}", f.type) for f in schema(inside)]
        else:
            fields += _columns(field)
    return pa.schema(fields)


def writer(struct: type[Struct], *, flat: bool = False) -> Callable[[Any], Row]:
    """A function from a record of this type to its row of `schema`."""
    steps = [step for field in _fields(struct) if (step := _write_step(field, flat)) is not None]

    def write(record: Any) -> Row:
        row: Row = msgspec.structs.asdict(record)
        for step in steps:
            step(row)
        return row

    return write


def reader(struct: type[Struct], *, flat: bool = False) -> Callable[[Row], Any]:
    """A function from a row of `schema` to plain data that `msgspec.convert` takes."""
    steps = [step for field in _fields(struct) if (step := _read_step(field, flat)) is not None]

    def read(row: Row) -> Row:
        for step in steps:
            step(row)
        return row

    return read


# ---- types -----------------------------------------------------------------------------------


@cache
def _fields(struct: type[Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _without_none(kind: inspect.Type) -> inspect.Type:
    if isinstance(kind, inspect.UnionType):
        rest = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        return rest[0] if len(rest) == 1 else inspect.UnionType(tuple(rest))
    return kind


def _struct_of(kind: inspect.Type) -> type[Struct] | None:
    kind = _without_none(kind)
    return kind.cls if isinstance(kind, inspect.StructType) else None


def _item_of(kind: inspect.Type) -> inspect.Type | None:
    kind = _without_none(kind)
    return kind.item_type if isinstance(kind, inspect.VarTupleType) else None


def _is_value(kind: inspect.Type) -> bool:
    """Whether a field of this type is spread over columns by the type of its value."""
    kind = _without_none(kind)
    return isinstance(kind, inspect.UnionType) and all(
        type(t) in _SCALARS or (isinstance(t, inspect.VarTupleType)) for t in kind.types
    )


def _arrow(kind: inspect.Type) -> pa.DataType | None:
    """The type of one column, None if only JSON can hold it."""
    kind = _without_none(kind)
    if type(kind) in _SCALARS:
        return _SCALARS[type(kind)]
    if (item := _item_of(kind)) is not None:
        inside = _arrow(item)
        return None if inside is None else pa.list_(inside)
    struct = _struct_of(kind)
    if struct is None or kind.tag is not None:  # type: ignore[attr-defined]  # a struct has a tag
        return None
    fields = _fields(struct)
    if not all(_is_value(f.type) or _arrow(f.type) is not None for f in fields):
        return None
    return pa.struct([column for f in fields for column in _columns(f)])


def _columns(field: inspect.Field) -> list[pa.Field]:
    name = field.name
    if _is_value(field.type):
        return [pa.field(f"{name}_{k}", t) for k, t in (*_VALUES.items(), ("list", _TEXTS))]
    return [pa.field(name, _arrow(field.type) or pa.string())]


# ---- rows ------------------------------------------------------------------------------------


def _write_step(field: inspect.Field, flat: bool) -> Callable[[Row], None] | None:
    """What is done to a row so that this field's columns stand in it, None for nothing."""
    name, struct = field.name, _struct_of(field.type)
    if _is_value(field.type):
        return lambda row: _spread(row, name, row.pop(name))
    if _arrow(field.type) is None:
        default = field.default

        def write_json(row: Row) -> None:
            value = row[name]
            row[name] = None if value == default else _json.encode(value).decode()

        return write_json
    if flat and struct is not None:
        write = writer(struct)

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
    if (struct := _struct_of(kind)) is not None:
        write = writer(struct)
        return lambda value: None if value is None else write(value)
    if (item := _item_of(kind)) is not None and (inside := _write_value(item)) is not None:
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


def _gather(row: Row, name: str) -> Any:
    """The one value of several columns; a whole number is read from `int`."""
    columns = [row.pop(f"{name}_{kind}") for kind in (*_VALUES, "list")]
    flag, number, whole, text, several = columns
    given = [v for v in (flag, number if whole is None else whole, text, several) if v is not None]
    if len(given) > 1:
        raise ValueError(f"{name} has values of two types")
    return given[0] if given else None


def _read_step(field: inspect.Field, flat: bool) -> Callable[[Row], None] | None:
    name, struct = field.name, _struct_of(field.type)
    if _is_value(field.type):

        def gather(row: Row) -> None:
            row[name] = _gather(row, name)

        return gather
    if _arrow(field.type) is None:

        def read_json(row: Row) -> None:
            # left out if null: the type's own default stands then
            if (text := row.pop(name, None)) is not None:
                row[name] = msgspec.json.decode(text)

        return read_json
    if flat and struct is not None:
        names = [f.name for f in schema(struct)]
        read = reader(struct)

        def unflatten(row: Row) -> None:
            inside = {key: row.pop(f"{name}_{key}") for key in names}
            row[name] = read(inside) if any(v is not None for v in inside.values()) else None

        return unflatten
    converted = _read_value(field.type)
    if converted is None:
        return None

    def convert(row: Row) -> None:
        if name in row:
            row[name] = converted(row[name])

    return convert


def _read_value(kind: inspect.Type) -> Callable[[Any], Any] | None:
    """None if rows of this type need no step: structs of plain columns are read as they are."""
    if (struct := _struct_of(kind)) is not None:
        if all(_read_step(f, False) is None for f in _fields(struct)):
            return None
        read = reader(struct)
        return lambda value: None if value is None else read(value)
    if (item := _item_of(kind)) is not None and (inside := _read_value(item)) is not None:
        return lambda values: [inside(value) for value in values]
    return None
