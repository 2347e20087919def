"""Occurrence numbers: rows of one source with the same content are told apart."""

from __future__ import annotations

from collections import Counter

import msgspec

from trueline.records.types import Example


class Occurrences:
    """Counts equal contents, so that rows in = rows out; sixteen bytes are kept for each."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._again: Counter[bytes] = Counter()

    def number(self, example: Example) -> int:
        """How many Examples with this content id came before."""
        key = bytes.fromhex(example.id)
        if key not in self._seen:
            self._seen.add(key)
            return 0
        self._again[key] += 1
        return self._again[key]

    def distinguish(self, example: Example) -> Example:
        """The Example with its occurrence number in its id; it has no labels yet."""
        number = self.number(example)
        return msgspec.structs.replace(example, id=f"{example.id}-{number}") if number else example
