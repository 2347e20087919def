"""Any table of the user's own, by a mapping from parts of an Example to columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from trueline.files.errors import InputError
from trueline.files.rows import Row
from trueline.formats.columns_ratings import (
    LABEL,
    VALUE,
    Rating,
    parse_ratings,
    read_rating,
    write_rating,
)
from trueline.formats.contract import (
    CannotWrite,
    ColumnMapping,
    Fields,
    Format,
    Questions,
    new_example,
    preferred_order,
    single_turn,
    single_user_turn,
    with_preference,
)
from trueline.records.conversation import Malformed, read_messages
from trueline.records.types import Example, Message, Response, with_labels

TAG = "tag:"
PARTS = (
    *("prompt", "system", "response", "chosen", "rejected", "license"),
    *("tag:KEY", "label:QUESTION@RATER", "value:QUESTION:CELL"),
)
_usage = (
    "--from and --to columns need --map PART=COLUMN, once or more; the parts are "
    f"{', '.join(PARTS)}, and response may be given several times"
)


def with_mapping(mapping: ColumnMapping, questions: Questions) -> Format:
    """The format for one mapping.  Raises InputError if the mapping makes no sense."""
    if not mapping:
        raise InputError(_usage)
    for part, columns in mapping.items():
        is_open = any(part.startswith(start) and part != start for start in (TAG, LABEL, VALUE))
        if part not in PARTS and not is_open:
            raise InputError(f"--map {part}={columns[0]}: unknown part {part!r}. {_usage}")
        if len(columns) > 1 and part != "response":
            raise InputError(f"--map {part} is given twice; only response may be")
    if ("chosen" in mapping) != ("rejected" in mapping):
        raise InputError("--map chosen and --map rejected belong together")
    if not {"prompt", "response", "chosen"} & mapping.keys():
        raise InputError("map at least one of prompt, response, and chosen with rejected")
    ratings = parse_ratings(mapping, questions)
    plain = {part: c for part, c in mapping.items() if not part.startswith((LABEL, VALUE))}
    return Format(FORMAT.about, partial(_read, plain, ratings), partial(_write, plain, ratings))


def _tag_columns(mapping: ColumnMapping) -> dict[str, str]:
    """The columns of tags, by the tag's key."""
    return {
        part.removeprefix(TAG): column
        for part, (column, *_) in mapping.items()
        if part.startswith(TAG)
    }


# ---- reading ---------------------------------------------------------------------------------


def _read(mapping: ColumnMapping, ratings: Sequence[Rating], row: Row, occurrence: int) -> Example:
    """Responses in the order of the mapping, then rejected, then chosen."""
    for columns in (*mapping.values(), [rating.column for rating in ratings]):
        for column in columns:
            row.value(column)  # NoColumn before anything is said about a cell
    prompt = [turn for part in ("system", "prompt") for turn in _turns(mapping, row, part)]
    responses = [r for c in mapping.get("response", ()) for r in _responses(row, c)]
    pair = [
        r for p in ("rejected", "chosen") for c in mapping.get(p, ()) for r in _responses(row, c)
    ]
    if len(pair) not in (0, 2) or (pair and pair[0] == pair[1]):
        raise Malformed("chosen and rejected are not two different responses")
    values = {key: row.text(column).strip() for key, column in _tag_columns(mapping).items()}
    license = row.text(mapping["license"][0]).strip() if "license" in mapping else None
    example = new_example(
        row,
        occurrence,
        prompt,
        [*responses, *pair],
        tags=[f"{key}:{value}" for key, value in values.items() if value],
        license=license or None,
    )
    labels = [read_rating(example, rating, row.fields[rating.column]) for rating in ratings]
    example = with_labels(example, *(label for label in labels if label is not None))
    first = len(responses)
    return with_preference(example, first + 1, first, "columns") if pair else example


def _turns(mapping: ColumnMapping, row: Row, part: str) -> tuple[Message, ...]:
    if part not in mapping:
        return ()
    (column,) = mapping[part]
    if part == "system":
        text = row.text(column)
        return (Message("system", text),) if text.strip() else ()
    return read_messages(_cell(row, column), "user", column)


def _responses(row: Row, column: str) -> list[Response]:
    """The responses in a column: a text, the messages of one response, or a list of texts."""
    cell = _cell(row, column)
    is_list_of_texts = isinstance(cell, list) and cell and all(isinstance(v, str) for v in cell)
    values = cell if is_list_of_texts else [cell]
    return [Response(read_messages(value, "assistant", column)) for value in values]


def _cell(row: Row, column: str) -> Any:
    value = row.fields[column]
    return row.text(column) if isinstance(value, int | float) else value


# ---- writing ---------------------------------------------------------------------------------


def _write(mapping: ColumnMapping, ratings: Sequence[Rating], example: Example) -> Fields:
    row: Fields = {}
    if "system" in mapping:
        system = [m.content for m in example.prompt if m.role in ("system", "developer")]
        row[mapping["system"][0]] = "\n\n".join(system)
    if "prompt" in mapping:
        row[mapping["prompt"][0]] = single_user_turn(example)
    columns = mapping.get("response", ())
    if columns and len(example.responses) > len(columns):
        count = len(example.responses)
        raise CannotWrite(f"{count} responses, and --map names {len(columns)} columns")
    is_needed = columns or "chosen" in mapping
    texts = [single_turn(response) for response in example.responses if is_needed]
    row |= {c: texts[at] if at < len(texts) else None for at, c in enumerate(columns)}
    if "chosen" in mapping:
        for part, at in zip(("chosen", "rejected"), preferred_order(example), strict=True):
            row[mapping[part][0]] = texts[at]
    if "license" in mapping:
        row[mapping["license"][0]] = example.source.license if example.source else None
    row |= {column: example.tag(key) for key, column in _tag_columns(mapping).items()}
    return row | {rating.column: write_rating(example, rating) for rating in ratings}


def _unmapped(*_: Any) -> Any:
    raise InputError(_usage)


FORMAT = Format(
    "any table, with --map PART=COLUMN", _unmapped, _unmapped, with_mapping=with_mapping
)
