"""Examples → the rows that a trainer reads, with a count of what became of each."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.formats.load import load
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example
from trueline.train.card import Data
from trueline.train.data.encoder import Encoder
from trueline.train.data.preview import Preview, preview
from trueline.train.data.rows import TrainingRow, UnusableRow, truncate

PREVIEWS = 2


class TrainingSet(Struct, frozen=True):
    """The rows in the order of their Examples; `ends` are the tokens that end the segments."""

    rows: list[TrainingRow]
    data: Data
    previews: list[Preview]
    ends: set[int]

    @property
    def segments(self) -> int:
        """Sequences of a row, at most."""
        return max(len(row.segments) for row in self.rows)


def collect(
    examples: Iterable[Example],
    encode: Callable[[Example], TrainingRow | str],
    encoder: Encoder,
    *,
    source: Path | None,
    max_length: int,
    reveal: bool,
) -> TrainingSet:
    """Every Example as a row of at most `max_length` tokens; an Example that gives none is counted
    by its reason.

    Raises InputError if no row is left, and if the chat template cannot be masked rightly.
    """
    rows: list[TrainingRow] = []
    previews: list[Preview] = []
    skipped, hash, ends = Counter[str](), blake2b(digest_size=16), set[int]()
    number = 0
    for number, example in enumerate(examples, start=1):
        try:
            row = _fit(encode(example), max_length)
        except UnusableRow as reason:
            skipped[str(reason)] += 1
            continue
        except InputError as error:
            raise InputError(f"Example {example.id} (number {number}): {error}") from None
        hash.update(msgspec.json.encode([example.id, row], order="sorted"))
        rows.append(row)
        if not row.truncated:
            ends |= {segment.ids[-1] for segment in row.segments}
        for segment in row.segments[: PREVIEWS - len(previews)]:
            previews.append(preview(encoder.tokenizer, example.id, segment, reveal))
    if not rows:
        why = "; ".join(f"{n:,} {reason}" for reason, n in skipped.most_common())
        raise InputError(
            f"{source or 'the data'} gives nothing to train on: {why or 'it is empty'}"
        )
    data = Data(
        source=None if source is None else source.name,
        complete=_is_complete(source),
        hash=hash.hexdigest(),
        examples=number,
        skipped=dict(skipped),
        **_count_rows(rows),
    )
    return TrainingSet(rows, data, previews, ends)


def _count_rows(rows: list[TrainingRow]) -> dict[str, int]:
    segments = [segment for row in rows for segment in row.segments]
    return {
        "rows": len(rows),
        "truncated": sum(row.truncated for row in rows),
        "tokens": sum(len(segment.ids) for segment in segments),
        "trained": sum(sum(segment.mask) for segment in segments),
        "longest": max(row.length for row in rows),
    }


def _fit(row: TrainingRow | str, max_length: int) -> TrainingRow:
    if isinstance(row, str):
        raise UnusableRow(row)
    return truncate(row, max_length)


def show(training_set: TrainingSet) -> None:
    """What is trained on, on stderr, before the first step."""
    data = training_set.data
    lines = [
        f"{data.rows:,} rows of {data.examples:,} Examples · {data.tokens:,} tokens, "
        f"{data.trained:,} trained (between » and «) · longest {data.longest:,} · "
        f"{data.truncated:,} truncated"
    ]
    lines += [f"  not used: {n:,} {reason}" for reason, n in sorted(data.skipped.items())]
    for row in training_set.previews:
        head = f"{row.name} of {row.example}: {row.tokens} tokens, {row.trained} trained"
        lines += [head, row.text]
    print("\n".join(lines), file=sys.stderr)


def read_examples(data: Path | None) -> Iterator[Example]:
    """The Examples of a data set; InputError for a record that is none."""
    if data is None:
        raise InputError("nothing to train on: name a data set")
    for number, record in enumerate(load(data), start=1):
        if not isinstance(record, Example):
            raise InputError(f"{data}, record {number} is no Example: {record.message}")
        yield record


def _is_complete(data: Path | None) -> bool:
    if data is None or not data.is_dir() or read_manifest(data).state == "complete":
        return True
    print(f"trueline: {data} is unfinished; training on what it has", file=sys.stderr)
    return False
