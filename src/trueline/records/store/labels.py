"""The label table of a data set: one flat row a label, for pandas and DuckDB to join.

    labels = pandas.concat(map(pandas.read_parquet, folder.glob("labels-*.parquet")))
    labels[labels.question == "safe"].groupby("example").value_bool.mean()

Rows are only ever appended: by the run that writes the data (`dataset.Writer`), and later by a
`LabelAppender`.  `records.labels.effective_labels` says which of them count.  A folder may hold
labels alone, whose data is elsewhere: `join_labels` brings them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, groupby
from pathlib import Path
from types import TracebackType

import msgspec

from trueline.files.atomic import PART, os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.records.labels import effective_labels, with_effective_labels
from trueline.records.store.claim import lock_folder
from trueline.records.store.manifest import (
    Manifest,
    Shard,
    check_shard,
    describe_shard,
    read_manifest,
    write_manifest,
)
from trueline.records.store.validate import why_invalid
from trueline.records.types import Example, Label, digest_texts, with_writer

PATTERN = "labels-{:05d}.parquet"

WAIT_S = 60.0
"""How long an appender waits for another process that writes to the folder."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Label, ...]).decode

Held = dict[str, bytes]
"""Packed labels by the id of their Example: about 300 bytes each."""


# ---- reading ---------------------------------------------------------------------------------


def read_labels(folder: Path) -> Iterator[Label]:
    """Every statement in the label table of a data set, streamed: those with the data first, in
    its order, then those that were appended."""
    found = read_manifest(folder)
    yield from _read_shards(folder, (*found.labels, *found.appended))


def read_labelled_ids(folder: Path) -> Iterator[Example]:
    """The Examples of a folder of labels, with an id and their effective labels alone."""
    found = read_manifest(folder)
    own, held = _read_shards(folder, found.labels), _hold(_read_shards(folder, found.appended))
    for id, several in groupby(own, key=lambda label: label.example):
        labels = (*several, *_decode(held.pop(id, _NONE)))
        yield Example(id=id, labels=effective_labels(labels))
    for id, packed in held.items():
        yield Example(id=id, labels=effective_labels(_decode(packed)))


_NONE = _encode(())


def own_labels(
    examples: Iterable[Example], folder: Path, found: Manifest, all_labels: bool
) -> Iterator[Example]:
    """The Examples of a data set with the labels of its table.

    Labels that were written with the data come in its order and are streamed; appended ones are
    held in memory.  Raises InputError if labels are left over, or if appended ones judged other
    texts than their Example's.
    """
    own = _Cursor(_read_shards(folder, found.labels))
    held, came = _hold(_read_shards(folder, found.appended)), set[str]()
    id, labels = "", tuple[Label, ...]()
    for example in examples:
        if example.id != id:  # an Example that comes twice in a row has its labels twice
            id, labels = example.id, own.take(example.id)
            if (packed := held.get(id)) is not None:
                came.add(id)
                appended = _decode(packed)
                for label in appended:
                    _check_texts(label, example, folder)
                labels += appended
            if not all_labels:
                labels = effective_labels(labels)
        yield msgspec.structs.replace(example, labels=labels) if labels else example
    if (left := own.next) is not None:
        raise InputError(
            f"{folder} has labels of an Example that is not in its data ({left.example}): the data "
            "set is damaged; make it again"
        )
    if strays := held.keys() - came:
        raise InputError(
            f"{folder} has appended labels of {len(strays):,} Examples that are not in its data "
            f"(the first: {min(strays)}): take them out with `delete_labels`"
        )


def join_labels(
    examples: Iterable[Example], folders: Sequence[Path], *, complete: bool = True
) -> Iterator[Example]:
    """The Examples, streamed, with the labels that the folders hold for them.

    The Examples come with all their own statements (`dataset.read(…, all_labels=True)`): which of
    all count is decided here, whatever the order of the folders.  Raises InputError if a label's
    texts are not the Example's; with `complete`, also if labels are left over, because their
    Examples did not come.  Labels are held in memory, about 300 bytes each.
    """
    tables = [(path, _hold(_labels_of(path))) for path in folders]
    came: set[str] = set()  # an Example may come twice
    for example in examples:
        labels = example.labels
        for path, held in tables:
            if (packed := held.get(example.id)) is not None:
                came.add(example.id)
                joined = _decode(packed)
                for label in joined:
                    _check_texts(label, example, path)
                labels += joined
        yield with_effective_labels(msgspec.structs.replace(example, labels=labels))
    for path, held in tables:
        left = [id for id in held if id not in came] if complete else []
        if left:
            raise InputError(
                f"{path} has labels of {len(left):,} Examples that are not in the data (the first: "
                f"{left[0]}): they belong to another data set"
            )


def highest_sequence(folder: Path) -> int:
    """The highest number of a statement in a data set's label table, 0 if there is none."""
    from trueline.records.store.parquet import open_parquet  # loads pyarrow

    found, highest = read_manifest(folder), 0
    for shard in (*found.labels, *found.appended):
        metadata = open_parquet(check_shard(folder, shard)).metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            columns = (group.column(at) for at in range(group.num_columns))
            sequence = next(c for c in columns if c.path_in_schema == "sequence")
            highest = max(highest, sequence.statistics.max)
    return highest


class _Cursor:
    """Labels in the order of their Examples, with the next one in sight."""

    def __init__(self, labels: Iterator[Label]) -> None:
        self._labels = labels
        self.next = next(labels, None)

    def take(self, id: str) -> tuple[Label, ...]:
        """The labels of this Example, if they are next."""
        taken: list[Label] = []
        while self.next is not None and self.next.example == id:
            taken.append(self.next)
            self.next = next(self._labels, None)
        return tuple(taken)


def _read_shards(folder: Path, shards: Iterable[Shard]) -> Iterator[Label]:
    from trueline.records.store import parquet  # loads pyarrow

    for shard in shards:
        yield from parquet.read(check_shard(folder, shard), parquet.LABELS)


def _labels_of(folder: Path) -> Iterator[Label]:
    found = read_manifest(folder)
    if found.shards and not found.labelled:
        raise InputError(f"{folder} holds Examples, not labels: give it as data")
    return read_labels(folder)


def _hold(labels: Iterable[Label]) -> Held:
    held: Held = {}
    for id, several in groupby(labels, key=lambda label: label.example):
        earlier = _decode(held[id]) if id in held else ()
        held[id] = _encode((*earlier, *several))
    return held


def _check_texts(label: Label, example: Example, path: Path) -> None:
    try:
        texts = digest_texts(example, label.about)
    except IndexError:
        texts = ()
    if texts != label.texts:
        raise InputError(
            f"{path}: label {label.id} on {label.question!r} judged other texts than those of "
            f"Example {example.id}: labels and data do not belong together"
        )


# ---- writing ---------------------------------------------------------------------------------


class LabelAppender:
    """Appends a writer's labels to the table of a finished data set; other processes may too.

        with LabelAppender(folder, "Ada") as appender:
            appender.add(Label.new(example, question, (0,), by, value=True))

    Labels appear at `flush`, all or none.  They are numbered then, after every label that is there
    and in the label sets `after`, so that a later statement counts rather than an earlier one.
    """

    def __init__(self, folder: Path, writer: str, after: Sequence[Path] = ()) -> None:
        self.folder, self.writer, self._after = folder, writer, tuple(after)
        self._labels: list[Label] = []
        _check_finished(read_manifest(folder), folder)

    def add(self, label: Label) -> None:
        """Append a label.  Raises InputError if it could not be read back."""
        if (reason := why_invalid(label)) is not None:
            raise InputError(f"a label on {label.question!r} cannot be stored: {reason}")
        self._labels.append(label)

    def flush(self) -> None:
        """Store what was added.  Raises InputError if another process keeps the folder."""
        from trueline.records.store import parquet  # loads pyarrow

        if not self._labels:
            return
        with lock_folder(self.folder, WAIT_S):
            found = _sweep(self.folder)
            number = max(map(highest_sequence, (self.folder, *self._after)))
            labels = [
                with_writer(label, self.writer, place)
                for place, label in enumerate(self._labels, number + 1)
            ]
            path = next(_new_paths(self.folder, found))
            rows = parquet.write(path, labels, parquet.LABELS)
            appended = (*found.appended, describe_shard(path, rows))
            write_manifest(self.folder, msgspec.structs.replace(found, appended=appended))
        self._labels.clear()

    def __enter__(self) -> LabelAppender:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.flush()  # after an error too: each label was said


def delete_labels(folder: Path, delete: Callable[[Label], bool]) -> int:
    """Remove labels for good, because a person asks for it; returns how many.

    The table is rewritten and the manifest counts what was deleted.  Withdrawing an answer needs
    no such thing: append one that is retracted.  Ledgers and rejects are not touched.  Raises
    InputError if the folder is unfinished: the run that continues it would write them again.
    """
    with lock_folder(folder, WAIT_S):
        found = _sweep(folder)
        _check_finished(found, folder)
        paths = _new_paths(folder, found)
        labels, appended = (
            tuple(_rewrite(folder, shards, delete, paths))
            for shards in (found.labels, found.appended)
        )
        kept = msgspec.structs.replace(found, labels=labels, appended=appended)
        deleted = found.labelled - kept.labelled
        total = found.deleted + deleted
        write_manifest(folder, msgspec.structs.replace(kept, deleted=total))
        _sweep(folder)
    return deleted


def _check_finished(found: Manifest, folder: Path) -> None:
    if found.state != "complete":
        raise InputError(
            f"{folder} is unfinished, and the run that continues it writes it anew: let it finish "
            "before its labels are changed"
        )


def _rewrite(
    folder: Path,
    shards: Iterable[Shard],
    delete: Callable[[Label], bool],
    paths: Iterator[Path],
) -> Iterator[Shard]:
    """The shards without what is deleted; one that loses nothing stays the file that it is."""
    from trueline.records.store import parquet  # loads pyarrow

    for shard in shards:
        path = next(paths)
        kept = (label for label in _read_shards(folder, [shard]) if not delete(label))
        rows = parquet.write(path, kept, parquet.LABELS)
        if rows == shard.rows:
            yield shard
        elif rows:
            yield describe_shard(path, rows)


def _new_paths(folder: Path, found: Manifest) -> Iterator[Path]:
    """Names for further label shards, after those of all that are listed."""
    listed = [int(shard.name[7:12]) for shard in (*found.labels, *found.appended)]
    return (folder / PATTERN.format(number) for number in count(max(listed, default=-1) + 1))


def _sweep(folder: Path) -> Manifest:
    """Remove label shards that the manifest does not list: of a process that died, or deleted.
    The manifest; the folder is locked, so nobody else is writing one."""
    found = read_manifest(folder)
    listed = {shard.name for shard in (*found.labels, *found.appended)}
    for pattern in ("labels-*.parquet", f".labels-*{PART}"):
        for path in folder.glob(pattern):
            if path.name not in listed:
                with os_errors_as_input_errors(path):
                    path.unlink()
    return found
