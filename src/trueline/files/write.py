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

from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError

Add = Callable[[dict[str, Any]], None]
BATCH = 1_000


class Columns:
    """The columns of rows that are seen one by one: their names and, for a Parquet file (`arrow`),
    the schema of all.

    They are gathered in a first pass: what is guessed from the first rows would drop what only
    later ones hold.
    """

    def __init__(self, arrow: bool = True) -> None:
        self.names: dict[str, None] = {}
        self._arrow = arrow
        self._rows: list[dict[str, Any]] = []
        self._schema: Any = None

    def see(self, row: dict[str, Any]) -> None:
        """Take notice of one row."""
        self.names.update(dict.fromkeys(row))
        if not self._arrow:
            return
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
            # from_pylist takes the columns of its first row alone
            whole = [{name: row.get(name) for name in self.names} for row in self._rows]
            here = pa.Table.from_pylist(whole).schema
            both = [s for s in (self._schema, here) if s is not None]
            self._schema = pa.unify_schemas(both, promote_options="permissive")
        self._rows = []


@contextmanager
def table(path: Path, columns: Columns) -> Iterator[Add]:
    """A function that appends a row to a new file, which appears whole or not at all.

    The suffix says how it is written.  `columns` has seen every row that will come, if the file
    `needs_columns`.  Raises InputError if the suffix says nothing.
    """
    writer = _writer(path)
    with atomic_write(path) as file:
        if path.suffix == ".gz":
            packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
            with packed, writer(packed, columns) as add:
                yield add
        else:
            with writer(file, columns) as add:
                yield add


def writable(path: Path) -> None:
    """Raises InputError if the suffix says nothing of how the table is to be written."""
    _writer(path)


def needs_columns(path: Path) -> bool:
    """Whether a table of this name is written with columns, which must be known first."""
    return _writer(path) is not _jsonl


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
def _jsonl(file: BinaryIO, columns: Columns) -> Iterator[Add]:
    def add(row: dict[str, Any]) -> None:
        file.write(msgspec.json.encode(row) + b"\n")

    yield add


def _csv(delimiter: str) -> Any:
    @contextmanager
    def rows(file: BinaryIO, columns: Columns) -> Iterator[Add]:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer: Any = csv.writer(text, delimiter=delimiter)
        if columns.names:
            writer.writerow(columns.names)
        yield lambda row: writer.writerow([_cell(row.get(name)) for name in columns.names])
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
