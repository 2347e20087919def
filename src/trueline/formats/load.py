"""Examples from wherever they are: a data set of ours, JSON lines, Parquet, a foreign file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from trueline import formats
from trueline.files.errors import InputError
from trueline.files.lines import check_regular_file
from trueline.files.rows import NoColumn, rows
from trueline.files.text import BadRow
from trueline.formats import Format, Mapped
from trueline.records.store import dataset, jsonl
from trueline.records.store.validate import reject_bad_row
from trueline.records.types import Example, Reject


def load(
    path: Path,
    format: str | None = None,
    mapping: Mapped | None = None,
    unread: Counter[str] | None = None,
) -> Iterator[Example | Reject]:
    """Every row of a source, streamed, as an Example or as a Reject with its reason.

    Without a `format` the source is ours: a folder, or a file in .jsonl(.gz) or .parquet.  With
    one it is a foreign file; equal rows get occurrence numbers, and the columns that the format
    does not read are counted in `unread`.  InputError where the source cannot be what it should.
    """
    if mapping and format is None:
        raise InputError("--map needs --from columns")
    found = None if format is None else formats.named(format, mapping)
    check_regular_file(path)
    if found is not None:
        if path.is_dir():
            raise InputError(f"{path} is a folder: --from {found.name} reads one file at a time")
        return foreign(path, found, unread)
    if path.is_dir():
        dataset.manifest(path)  # an error now, not at the first row
        return dataset.read(path)
    suffix = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])
    if suffix in (".jsonl", ".jsonl.gz"):
        return jsonl.read(path)
    if suffix == ".parquet":
        from trueline.records.store import parquet  # loads pyarrow

        return parquet.read(path)
    raise InputError(
        f"{path} is no data set of ours (a folder, .jsonl, .jsonl.gz or .parquet): say what it is "
        f"with --from, one of {', '.join(sorted(formats.every()))} (where a command has no --from, "
        "run `trueline convert` first)"
    )


def foreign(
    path: Path, format: Format, unread: Counter[str] | None = None
) -> Iterator[Example | Reject]:
    """The rows of a foreign file in a format; see `load`.

    A file whose first readable row lacks a column is of another format (InputError); a later row
    that lacks one, as in JSON lines it may, is a Reject.
    """
    seen: set[bytes] = set()
    fits = False
    again: Counter[bytes] = Counter()
    for row in rows(path):
        if isinstance(row, BadRow):
            yield reject_bad_row(row)
            continue
        if unread is not None:
            unread.update(format.unread(row))
        try:
            found = format.read(row, 0)
        except NoColumn as error:
            if not fits:
                raise
            found = formats.bad_row(row, f"the row has no column {error.name!r}")
        fits = True
        if isinstance(found, Example):
            key = bytes.fromhex(found.id)
            if key in seen:
                again[key] += 1
                found = format.read(row, again[key])
            seen.add(key)
        yield found
