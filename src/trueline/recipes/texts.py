"""Raw texts as Examples whose one response is the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.files.rows import Row, rows
from trueline.files.text import BadRow
from trueline.records.store.validate import reject_bad_row
from trueline.records.types import Example, Message, Reject, Response, Source
from trueline.runs.stream import Item


class Origin(Struct, frozen=True):
    """What every row of the input has in common; `tag_fields` are columns kept as tags."""

    recipe: str
    license: str | None = None
    tags: tuple[str, ...] = ()
    tag_fields: tuple[str, ...] = ()


def survey(files: Sequence[Path], field: str, tag_fields: Sequence[str] = ()) -> int:
    """Read the input once before anything is paid for; the number of its rows.

    Raises InputError where no row has the fields, or where the text is blank in all of them.
    """
    total, filled, columns = 0, 0, set[str]()
    for file in files:
        for row in rows(file):
            total += 1
            if isinstance(row, Row):
                columns |= row.fields.keys()
                filled += bool(_text(row, field))
    named = ", ".join(map(str, files))
    if field not in columns:
        raise InputError(
            f"{named}: no column {field!r} in {', '.join(sorted(columns)) or 'no readable row'}; "
            "name the one that holds the texts with --text-field"
        )
    if not filled:
        raise InputError(
            f"{named}: {field!r} is blank in all {total:,} rows, so there is no text to work "
            f"from; other columns: {', '.join(sorted(columns - {field})) or 'none'} (--text-field)"
        )
    if missing := [name for name in tag_fields if name not in columns]:
        raise InputError(
            f"{named}: no column {missing[0]!r} for --tag-field; there are "
            f"{', '.join(sorted(columns))}"
        )
    return total


def examples(
    files: Sequence[Path], field: str, origin: Origin, limit: int | None = None
) -> Iterator[Item]:
    """One Example or Reject a row, in order; at most `limit` rows."""
    seen: Counter[str] = Counter()
    left = limit
    for file in files:
        for row in rows(file):
            if left is not None:
                if left <= 0:
                    return
                left -= 1
            yield (
                reject_bad_row(row)
                if isinstance(row, BadRow)
                else _example(row, field, origin, seen)
            )


def _text(row: Row, field: str) -> str:
    value = row.fields.get(field)
    return value.strip() if isinstance(value, str) else ""


def _example(row: Row, field: str, origin: Origin, seen: Counter[str]) -> Item:
    text = row.fields.get(field)
    if not isinstance(text, str):
        kind = "missing" if text is None else f"a {type(text).__name__}"
        raw = msgspec.json.encode(row.fields, enc_hook=str).decode()
        detail = f"{field!r} is {kind}"
        return Reject("read", "no text", None, str(row.file), row.number, raw, detail)
    tags = [f"{name}:{row.fields[name]}" for name in origin.tag_fields if row.fields.get(name)]
    example = Example.new(
        responses=[Response((Message("assistant", text),))],
        source=Source(Path(row.file).name, origin.license, row=row.number),
        recipe=origin.recipe,
        tags=(*origin.tags, *tags),
    )
    seen[example.id] += 1
    if (occurrence := seen[example.id] - 1) > 0:
        example = msgspec.structs.replace(example, id=f"{example.id}-{occurrence}")
    return example
