"""Our records as Parquet, streamed both ways by row group.

A file carries the schema version in its metadata.  A file of Examples holds their labels inside
its rows; in a data set they are a table of their own (`labels.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.files.lines import check_regular_file
from trueline.files.versions import check_version
from trueline.records.store.column_reader import read_batch
from trueline.records.store.columns import derive_schema, to_table
from trueline.records.store.schema import VERSION
from trueline.records.types import CONTENT_ID, Example, Label

GROUP_BYTES = 16 * 2**20
"""A row group ends at this size or at its table's `group_rows`, so that reading one never needs
much memory."""

_DAMAGE = (
    *(pa.ArrowException, OSError, msgspec.MsgspecError),
    *(KeyError, TypeError, ValueError, AttributeError, RecursionError),
)
"""What columns of other types, or other values in ours, raise on their way to a record."""


class Table:
    """How records of one type are laid out in Parquet.

    Rows of `flat` tables have no structs inside, for other tools to join and filter on.
    """

    def __init__(
        self,
        struct: type[Struct],
        *,
        flat: bool = False,
        leave_out: tuple[str, ...] = (),
        group_rows: int = 1_000,
    ) -> None:
        self.struct, self.flat, self.group_rows = struct, flat, group_rows
        schema = derive_schema(struct, flat=flat, leave_out=leave_out)
        self.schema = schema.with_metadata({"trueline": str(VERSION)})


EXAMPLES = Table(Example)
DATA = Table(Example, leave_out=("labels",))
"""The shards of a data set."""
LABELS = Table(Label, flat=True, group_rows=2_000)
"""The label table of a data set."""


class Sink:
    """Writes records into an open binary file, a row group at a time."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._table = table
        self._writer = pq.ParquetWriter(file, table.schema, compression="zstd")
        self._records: list[Struct] = []
        self._bytes = 0

    def add(self, record: Struct, size: int) -> None:
        """Append one; `size` is about how many bytes it holds."""
        self._records.append(record)
        self._bytes += size
        if len(self._records) >= self._table.group_rows or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._records:
            table = to_table(self._table.struct, self._records, self._table.schema)
            self._writer.write_table(table)
        self._records, self._bytes = [], 0

    def close(self) -> None:
        """Write what is left and the footer; without it the file is no Parquet."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Give up the file, which is about to go."""
        self._writer.is_open = False  # else it writes a footer when it is collected


def write(path: Path, records: Iterable[Struct], table: Table = EXAMPLES) -> int:
    """Write one Parquet file, whole or not at all, and return how many rows it holds."""
    count = 0
    with atomic_write(path) as file:
        sink = Sink(file, table)
        for count, record in enumerate(records, 1):  # noqa: B007 - the count is the result
            sink.add(record, len(msgspec.json.encode(record)))
        sink.close()
    return count


def read(path: Path, table: Table = EXAMPLES) -> Iterator[Any]:
    """The records of one of our Parquet files, some rows in memory at a time.

    Raises InputError if the file is not ours, of a newer trueline, or damaged.
    """
    file = open_parquet(path)
    version = (file.schema_arrow.metadata or {}).get(b"trueline")
    if version is None:
        raise InputError(
            f"{path} was not written by trueline: read it with --from columns and --map"
        )
    check_version(path, int(version) if version.isdigit() else VERSION + 1, VERSION)
    missing = [name for name in table.schema.names if name not in file.schema_arrow.names]
    if missing:
        raise InputError(f"{path} is damaged: it has no column {missing[0]!r}")
    row = 1
    try:
        for batch in file.iter_batches(batch_size=256, columns=table.schema.names):
            for record in read_batch(table.struct, batch, flat=table.flat):
                if not CONTENT_ID.fullmatch(record.id):
                    raise ValueError("id is no content id: 32 hexadecimal digits")
                yield record
                row += 1
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged in row {row:,} or after it ({error})") from error


def open_parquet(path: Path) -> Any:
    """The Parquet file.  Raises InputError if it is none."""
    check_regular_file(path)
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file: {error}") from error
