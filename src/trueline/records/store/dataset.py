"""A data set on disk: a folder of Parquet shards, rejects beside them, and a manifest.

    data-00000.parquet …     Examples without their labels
    labels-00000.parquet …   the label table: one row a label (see `labels.py`)
    rejects-00000.jsonl …    what did not come through, and why
    manifest.json            the shards that are whole

The manifest lists only what is whole, so that after any interruption it and the shards agree.
One process at a time writes to a folder (`claim.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.atomic import PART, AtomicFile, os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.records.store import jsonl, labels
from trueline.records.store.manifest import (
    Manifest,
    Shard,
    State,
    check_shard,
    describe_shard,
    read_manifest,
    write_manifest,
)
from trueline.records.store.schema import VERSION
from trueline.records.store.validate import Unstorable, new_reject, storable_reject, stored_size
from trueline.records.types import Example, Label, Reject, with_writer

LABEL_BYTES = 500
"""About the size of a label without its note."""

SHARD_LABELS = 100_000
"""A label shard ends here if the data's does not end before."""


# ---- writing ---------------------------------------------------------------------------------


class _Series:
    """One series of shards: the one being written, and those that are whole."""

    def __init__(self, folder: Path, pattern: str, sink: Callable[[Any], Any]) -> None:
        self.folder, self.pattern, self._sink = folder, pattern, sink
        self.shards: list[Shard] = []
        self.rows = 0
        self._file: AtomicFile | None = None
        self._open: Any = None

    def add(self, record: Struct, size: int) -> None:
        if self._file is None:
            self._file = AtomicFile(self.folder / self.pattern.format(len(self.shards)))
        with os_errors_as_input_errors(self._file.path):
            if self._open is None:
                self._open = self._sink(self._file.file)
            self._open.add(record, size)
        self.rows += 1

    def finish(self) -> None:
        """Commit the open shard, if there is one."""
        if self._file is None:
            return
        with os_errors_as_input_errors(self._file.path):
            self._open.close()
        self._file.commit()
        self.shards.append(describe_shard(self._file.path, self.rows))
        self._file, self._open, self.rows = None, None, 0

    def discard(self) -> None:
        if self._open is not None:
            self._open.abandon()
        if self._file is not None:
            self._file.discard()
        self._file, self._open, self.rows = None, None, 0


class _Lines:
    """Rejects into an open file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def add(self, reject: Reject, size: int) -> None:
        self._file.write(jsonl.encode(reject))

    def close(self) -> None:
        self._file.flush()

    def abandon(self) -> None:
        """Nothing is to be given up."""


class Writer:
    """Writes a data set from its beginning: what the folder held of an earlier try goes.

    Labels go into the label table.  New ones are signed by `writer` (the run's identity; None:
    labels stay as they are) and numbered on from `sequence`, the highest number among the labels
    that they follow.  With `labels_only` the folder holds labels of data that is elsewhere.

    Shards appear whole, when full and on `close`; equal Examples give equal bytes.  If a shard
    cannot be written (InputError: the disk is full), those before it stay listed and whole.
    """

    def __init__(
        self,
        folder: Path,
        writer: str | None = None,
        *,
        sequence: int = 0,
        labels_only: bool = False,
        shard_rows: int = 10_000,
    ) -> None:
        from trueline.records.store import parquet  # loads pyarrow

        self.folder, self._limit = folder, shard_rows
        self._writer, self._sequence, self._labels_only = writer, sequence, labels_only
        with os_errors_as_input_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        data, table = (partial(parquet.Sink, table=t) for t in (parquet.DATA, parquet.LABELS))
        self._data = _Series(folder, "data-{:05d}.parquet", data)
        self._labels = _Series(folder, labels.PATTERN, table)
        self._rejects = _Series(folder, "rejects-{:05d}.jsonl", _Lines)
        self._list("partial")
        self._sweep()

    def add(self, example: Example) -> Reject | None:
        """Append an Example; one that could not be read back (a lone surrogate, a NaN) goes to
        the rejects instead, and is returned as that Reject."""
        try:
            size = stored_size(example)
        except Unstorable as error:
            rejected = new_reject("write", str(error), example)
            self.reject(rejected)
            return rejected
        with self._discarding(self._labels, self._data):
            for label in example.labels:
                self._labels.add(self._sign(label), LABEL_BYTES + len(label.note or ""))
            if not self._labels_only:
                bare = msgspec.structs.replace(example, labels=()) if example.labels else example
                self._data.add(bare, size)
            if self._data.rows >= self._limit or self._labels.rows >= SHARD_LABELS:
                self._finish_data()
                self._list("partial")
        return None

    def reject(self, reject: Reject) -> None:
        """Append a Reject, beside the data."""
        with self._discarding(self._rejects):
            self._rejects.add(storable_reject(reject), 0)
            if self._rejects.rows >= self._limit:
                self._rejects.finish()
                self._list("partial")

    def close(self, complete: bool) -> None:
        """Finish the open shards and say whether this is all; a later call may say so still."""
        with self._discarding(self._labels, self._data, self._rejects):
            self._finish_data()
            self._rejects.finish()
        self._list("complete" if complete else "partial")

    def _sign(self, label: Label) -> Label:
        if label.writer is not None or self._writer is None:
            self._sequence = max(self._sequence, label.sequence)
            return label
        self._sequence += 1
        return with_writer(label, self._writer, self._sequence)

    def _finish_data(self) -> None:
        """Commit labels and data together: neither is listed without the other."""
        before = len(self._labels.shards)
        try:
            self._labels.finish()
            self._data.finish()
        except InputError:
            del self._labels.shards[before:]
            raise

    @contextmanager
    def _discarding(self, *series: _Series) -> Iterator[None]:
        """Within, a shard that cannot be written is given up: the disk may be full."""
        try:
            yield
        except InputError:
            for one in series:
                one.discard()
            raise

    def _list(self, state: State) -> None:
        found = Manifest(
            VERSION,
            state,
            shards=tuple(self._data.shards),
            rejects=tuple(self._rejects.shards),
            labels=tuple(self._labels.shards),
        )
        write_manifest(self.folder, found)

    def _sweep(self) -> None:
        """Remove what an interrupted run left; the manifest lists none of it any more."""
        for pattern in ("data-*.parquet", "labels-*.parquet", "rejects-*.jsonl", f".*{PART}"):
            for path in self.folder.glob(pattern):
                with os_errors_as_input_errors(path):
                    path.unlink()


# ---- reading ---------------------------------------------------------------------------------


def read(folder: Path, *, all_labels: bool = False) -> Iterator[Example]:
    """The Examples that the manifest lists, streamed, with the labels that count, or with every
    statement of the label table.

    A partial data set gives what it has (its manifest says so).  Raises InputError at a shard that
    is missing or not what the manifest lists, and for a folder that holds labels alone.
    """
    from trueline.records.store import parquet  # loads pyarrow

    found = read_manifest(folder)
    if found.labels_only:
        raise InputError(f"{folder} holds labels without their texts: give their data")
    data = (
        example
        for shard in found.shards
        for example in parquet.read(check_shard(folder, shard), parquet.DATA)
    )
    return labels.own_labels(data, folder, found, all_labels)


def rejects(folder: Path) -> Iterator[Reject]:
    """The Rejects beside the Examples, streamed."""
    for shard in read_manifest(folder).rejects:
        yield from jsonl.rejects(check_shard(folder, shard))
