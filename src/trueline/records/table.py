"""Rows into files of other tools: JSON lines, CSV, TSV and Parquet, gzip by suffix."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from trueline.records.atomic import fresh
from trueline.records.errors import InputError

Add = Callable[[dict[str, Any]], None]
BATCH = 1_000


class Columns:
    """The Arrow schema of rows that are seen one by one, for a Parquet file of them.

    It is gathered in a first pass: a schema guessed from the first rows would drop what only
    later ones hold.
    """

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._schema: Any = None

    def see(self, row: dict[str, Any]) -> None:
        """Take notice of one row."""
        self._rows.append(row)
        if len(self._rows) >= BATCH:
            self._unite()

    def schema(self) -> Any:
        """The schema that holds every row seen."""
        import pyarrow as pa

        self._unite()
        return self._schema if self._schema is not None else pa.schema([])

    def _unite(self) -> None:
        import pyarrow as pa

        if self._rows:
            here = pa.Table.from_pylist(self._rows).schema
            both = [s for s in (self._schema, here) if s is not None]
            self._schema = pa.unify_schemas(both, promote_options="permissive")
        self._rows = []


@contextmanager
def table(path: Path, columns: Columns | None = None) -> Iterator[Add]:
    """A function that appends a row to a new file, which appears whole or not at all.

    The suffix says how it is written (InputError where it says nothing); Parquet needs `columns`.
    """
    writer = _writer(path)
    with fresh(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed, writer(packed) as add:
                yield add
        elif columns is not None:
            with _parquet(file, columns) as add:
                yield add
        else:
            with writer(file) as add:
                yield add


def is_parquet(path: Path) -> bool:
    """Whether a table of this name is written as Parquet, which needs its Columns first."""
    return path.suffix == ".parquet"


def _writer(path: Path) -> Any:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    known = {".jsonl": _jsonl, ".csv": _csv(","), ".tsv": _csv("\t"), ".parquet": _parquet}
    if suffix not in known or (suffix == ".parquet" and path.suffix == ".gz"):
        raise InputError(f"{path}: with --to, OUT ends in .jsonl, .csv, .tsv (.gz) or .parquet")
    return known[suffix]


@contextmanager
def _jsonl(file: BinaryIO) -> Iterator[Add]:
    yield lambda row: (file.write(msgspec.json.encode(row) + b"\n"), None)[1]


def _csv(delimiter: str) -> Any:
    @contextmanager
    def rows(file: BinaryIO) -> Iterator[Add]:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer: Any = csv.writer(text, delimiter=delimiter)
        names: list[str] = []

        def add(row: dict[str, Any]) -> None:
            if not names:
                names.extend(row)
                writer.writerow(names)
            writer.writerow([_cell(row[name]) for name in names])

        yield add
        text.detach()

    return rows


def _cell(value: Any) -> Any:
    """Texts as they are, nothing for null, and lists as JSON."""
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


@contextmanager
def _parquet(file: BinaryIO, columns: Columns) -> Iterator[Add]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, held = columns.schema(), list[dict[str, Any]]()
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:

        def add(row: dict[str, Any]) -> None:
            held.append(row)
            if len(held) >= BATCH:
                flush()

        def flush() -> None:
            if held:
                writer.write_table(pa.Table.from_pylist(held, schema=schema))
                held.clear()

        yield add
        flush()
