"""Examples → the rows of tokens that a trainer reads, with a count of what became of each."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.formats.load import load
from trueline.records.ids import canonical
from trueline.records.store import dataset
from trueline.records.types import Example
from trueline.train.card import Data
from trueline.train.data.preview import Preview, preview
from trueline.train.data.tokens import Encoder, Row, Unfit, cut
from trueline.train.data.turns import Completion, Preference
from trueline.train.options import TrainOptions

Turns = Callable[[Example, Any], Completion | Preference | str]


class Rows(Struct, frozen=True):
    """Columns for TRL's collators; `ends` are the tokens that end the answers."""

    columns: dict[str, list[Any]]
    data: Data
    previews: list[Preview]
    ends: set[int]


def encoded(
    turns: Turns, options: Any, encoder: Encoder, examples: Iterable[Example] | None
) -> Rows:
    """Every Example as tokens, those of `options.data` unless given; what gives no row is counted
    by reason.

    Raises InputError where nothing is left, and where the chat template cannot be masked rightly.
    """
    made = _Making(encoder, options)
    for example in _examples(options) if examples is None else examples:
        made.add(example, turns(example, options))
    return made.rows()


class _Making:
    """The rows so far, and the counts."""

    def __init__(self, encoder: Encoder, options: Any) -> None:
        self._encoder, self._options = encoder, options
        self._columns: dict[str, list[Any]] = {}
        self._skipped, self._hash = Counter[str](), blake2b(digest_size=16)
        self._ends: set[int] = set()
        self._previews: list[Preview] = []
        self._examples = self._truncated = self._tokens = self._trained = 0

    def add(self, example: Example, turns: Completion | Preference | str) -> None:
        self._examples += 1
        try:
            if isinstance(turns, str):
                raise Unfit(turns)
            row, shorter = cut(self._encode(turns), self._options.max_length)
        except Unfit as reason:
            self._skipped[str(reason)] += 1
            return
        except InputError as error:
            number = f"number {self._examples}"
            raise InputError(f"Example {example.id} ({number}): {error}") from None
        self._hash.update(canonical([example.id, turns]))
        self._truncated += shorter
        for key, value in _columns(row).items():
            self._columns.setdefault(key, []).append(value)
        for name, side in _sides(row):
            self._count(example, name, side, shorter)

    def _encode(self, turns: Completion | Preference) -> Any:
        if isinstance(turns, Preference):
            return self._encoder.pair(turns)
        earlier = getattr(self._options, "turns", "response") == "all"
        return self._encoder.row(*turns, earlier=earlier)

    def _count(self, example: Example, name: str, side: Row, shorter: bool) -> None:
        if not shorter:
            self._ends.add(side.ids[-1])
        self._tokens += len(side.ids)
        self._trained += sum(side.mask)
        if len(self._previews) < 2:
            shown = (side.ids, side.mask, self._options.reveal)
            self._previews.append(preview(self._encoder.tokenizer, example.id, name, *shown))

    def rows(self) -> Rows:
        where = self._options.data
        if not self._columns:
            why = "; ".join(f"{n:,} {reason}" for reason, n in self._skipped.most_common())
            raise InputError(
                f"{where or 'the data'} gives nothing to train on: {why or 'it is empty'}"
            )
        data = Data(
            source=None if where is None else where.name,
            complete=_complete(where),
            hash=self._hash.hexdigest(),
            examples=self._examples,
            rows=len(self._columns["length"]),
            truncated=self._truncated,
            skipped=dict(self._skipped),
            tokens=self._tokens,
            trained=self._trained,
            longest=max(self._columns["length"]),
        )
        return Rows(self._columns, data, self._previews, self._ends)


def show(rows: Rows) -> None:
    """What is trained on, on stderr, before the first step."""
    data = rows.data
    say = [
        f"{data.rows:,} rows of {data.examples:,} Examples · {data.tokens:,} tokens, "
        f"{data.trained:,} trained (between » and «) · longest {data.longest:,} · "
        f"{data.truncated:,} truncated"
    ]
    say += [f"  not used: {n:,} {reason}" for reason, n in sorted(data.skipped.items())]
    for shown in rows.previews:
        head = f"{shown.name} of {shown.example}: {shown.tokens} tokens, {shown.trained} trained"
        say += [head, shown.text]
    print("\n".join(say), file=sys.stderr)


def _columns(row: Any) -> dict[str, Any]:
    """The columns that TRL's collators read, and the length that rows are grouped by."""
    if isinstance(row, Row):
        labels = [i if counts else -100 for i, counts in zip(row.ids, row.mask, strict=True)]
        return {"input_ids": row.ids, "labels": labels, "length": len(row.ids)}
    longer = max(len(row["chosen_ids"]), len(row["rejected_ids"]))
    return {**row, "length": len(row["prompt_ids"]) + longer}


def _sides(row: Any) -> list[tuple[str, Row]]:
    if isinstance(row, Row):
        return [("row", row)]
    prompt = row["prompt_ids"]
    return [
        (
            side,
            Row(
                prompt + row[f"{side}_ids"],
                [False] * len(prompt) + [True] * len(row[f"{side}_ids"]),
            ),
        )
        for side in ("chosen", "rejected")
    ]


def _examples(options: TrainOptions) -> Iterator[Example]:
    if options.data is None:
        raise InputError("nothing to train on: name a data set")
    for number, found in enumerate(load(options.data), start=1):
        if not isinstance(found, Example):
            raise InputError(f"{options.data}, record {number} is no Example: {found.reason}")
        yield found


def _complete(data: Path | None) -> bool:
    if data is None or not data.is_dir() or dataset.manifest(data).state == "complete":
        return True
    print(f"trueline: {data} is unfinished; training on what it has", file=sys.stderr)
    return False
