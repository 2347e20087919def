"""Examples as Parquet: typed columns for what people filter and join on, JSON for unions.

Streamed both ways by row group; a file carries the schema version in its metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.files.lines import check_regular_file
from trueline.records.store.schema import VERSION, check_version
from trueline.records.types import CONTENT_ID, Example, Label, Question, Response, Task

GROUP_ROWS = 1_000
GROUP_BYTES = 16 * 2**20
"""A row group ends at either bound, so that reading one never needs much memory."""

_json = msgspec.json.Encoder(order="sorted")
_text, _texts = pa.string(), pa.list_(pa.string())
_message = pa.struct(
    [
        ("role", _text),
        ("content", _text),
        ("reasoning", _text),
        ("tool_calls", pa.list_(pa.struct([("id", _text), ("name", _text), ("arguments", _text)]))),
        ("tool_call_id", _text),
    ]
)
_sampling = pa.struct(
    [
        ("temperature", pa.float64()),
        ("top_p", pa.float64()),
        ("max_tokens", pa.int64()),
        ("seed", pa.int64()),
        ("stop", _texts),
        ("logprobs", pa.bool_()),
        ("schema", _text),
    ]
)
_response = pa.struct(
    [
        ("messages", pa.list_(_message)),
        ("model", _text),
        ("sampling", _sampling),
        ("finish", _text),
        ("folded", _text),
    ]
)
_label = pa.struct(
    [
        ("id", _text),
        ("example", _text),
        ("question", _text),
        ("question_hash", _text),
        ("about", pa.list_(pa.int64())),
        (
            "by",
            pa.struct(
                [("kind", _text), ("name", _text), ("instrument", _text), ("version", pa.int64())]
            ),
        ),
        ("texts", _texts),
        ("value_bool", pa.bool_()),
        ("value_int", pa.int64()),
        ("value_float", pa.float64()),
        ("value_text", _text),
        ("value_list", _texts),
        ("unscored", _text),
        ("retracted", pa.bool_()),
        ("probability", pa.float64()),
        ("turn", pa.int64()),
        ("time", _text),
        ("note", _text),
        ("writer", _text),
        ("sequence", pa.int64()),
    ]
)
_candidate = pa.struct(
    [("text", _text), ("model", _text), ("score", pa.float64()), ("note", _text)]
)
_source = pa.struct(
    [("dataset", _text), ("license", _text), ("revision", _text), ("row", pa.int64())]
)
SCHEMA = pa.schema(
    [
        ("id", _text),
        ("prompt", pa.list_(_message)),
        ("responses", pa.list_(_response)),
        ("labels", pa.list_(_label)),
        ("candidates", pa.list_(_candidate)),
        ("task", _text),
        ("questions", _text),
        ("source", _source),
        ("parents", _texts),
        ("recipe", _text),
        ("tags", _texts),
    ],
    metadata={"trueline": str(VERSION)},
)
"""The columns; `task` and `questions` are canonical JSON, null where there is none."""

_value_columns = {
    bool: "value_bool",
    int: "value_int",
    float: "value_float",
    str: "value_text",
    tuple: "value_list",
}


class Sink:
    """Writes Examples into an open binary file, a row group at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0

    def add(self, example: Example, size: int) -> None:
        """Append one; `size` is about how many bytes it holds."""
        self._rows.append(_row(example))
        self._bytes += size
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
        self._rows, self._bytes = [], 0

    def close(self) -> None:
        """Write what is left and the footer; without it the file is no Parquet."""
        self._flush()
        self._writer.close()


def write(path: Path, examples: Iterable[Example]) -> int:
    """Write one Parquet file, whole or not at all, and return how many rows it holds."""
    count = 0
    with atomic_write(path) as file:
        sink = Sink(file)
        for count, example in enumerate(examples, 1):  # noqa: B007 - the count is the result
            sink.add(example, len(_json.encode(example)))
        sink.close()
    return count


def ours(path: Path) -> bool:
    """Whether a Parquet file holds Examples (any version of ours) and not foreign columns."""
    return b"trueline" in (_opened(path).schema_arrow.metadata or {})


def read(path: Path) -> Iterator[Example]:
    """The Examples of one of our Parquet files, a row group in memory at a time."""
    file = _opened(path)
    version = (file.schema_arrow.metadata or {}).get(b"trueline")
    if version is None:
        raise InputError(
            f"{path} was not written by trueline: read it with --from columns and --map"
        )
    check_version(path, int(version) if version.isdigit() else VERSION + 1)
    row = 0
    try:
        for batch in file.iter_batches(batch_size=256):
            for row, found in enumerate(batch.to_pylist(), row + 1):  # noqa: B007, B020
                yield _example(found)
    except _DAMAGE as error:
        why = f"no column {error}" if isinstance(error, KeyError) else error
        raise InputError(f"{path} is damaged in row {row:,} or behind it ({why})") from error


_DAMAGE = (
    *(pa.ArrowException, OSError, msgspec.MsgspecError),
    *(KeyError, TypeError, ValueError, AttributeError, RecursionError),
)
"""What columns of other types, or other values in ours, raise on their way to an Example."""


def _opened(path: Path) -> Any:
    check_regular_file(path)
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file: {error}") from error


def _row(example: Example) -> dict[str, Any]:
    # asdict is shallow; messages and the like are walked by to_builtins only where they are met
    row = {name: getattr(example, name) for name in Example.__struct_fields__}
    row["prompt"] = [_full(message) for message in example.prompt]
    row["responses"] = [_response_row(response) for response in example.responses]
    row["labels"] = [_label_row(label) for label in example.labels]
    row["candidates"] = [_full(candidate) for candidate in example.candidates]
    row["task"] = None if example.task is None else _json.encode(example.task).decode()
    row["questions"] = _json.encode(example.questions).decode() if example.questions else None
    row["source"] = None if example.source is None else _full(example.source)
    return row


def _full(struct: msgspec.Struct) -> dict[str, Any]:
    """Every field of a struct, defaults included, and of the structs inside it."""
    row = msgspec.structs.asdict(struct)
    if row.get("tool_calls"):
        row["tool_calls"] = [_full(call) for call in row["tool_calls"]]
    return row


def _response_row(response: Response) -> dict[str, Any]:
    row = msgspec.structs.asdict(response)
    row["messages"] = [_full(message) for message in response.messages]
    row["sampling"] = None if response.sampling is None else _full(response.sampling)
    return row


def _label_row(label: Label) -> dict[str, Any]:
    row = msgspec.structs.asdict(label)
    row["by"] = _full(label.by)
    value = row.pop("value")
    if value is not None:
        row[_value_columns[type(value)]] = value
    return row


def _example(row: dict[str, Any]) -> Example:
    if not CONTENT_ID.fullmatch(row["id"]):
        raise ValueError("id is no content id: 32 hexadecimal digits")
    for label in row["labels"]:
        values = [label.pop(column) for column in _value_columns.values()]
        label["value"] = next((value for value in values if value is not None), None)
    task, questions = row.pop("task"), row.pop("questions")
    example = msgspec.convert(row, Example)
    if task is None and questions is None:
        return example
    return msgspec.structs.replace(
        example,
        task=None if task is None else msgspec.json.decode(task, type=Task),
        questions=()
        if questions is None
        else msgspec.json.decode(questions, type=tuple[Question, ...]),
    )
