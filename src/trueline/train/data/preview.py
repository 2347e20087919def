"""What is trained on, shown before the first step: the tokens of a row, and which of them count."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from msgspec import Struct


class Preview(Struct, frozen=True):
    """One row as it is trained on.

    `text` shows it in order: special tokens as they are, other runs as `[12 tokens]` unless they
    were revealed, and what counts between » and «.  `ids` are there where it was revealed.
    """

    example: str
    name: str
    tokens: int
    trained: int
    text: str
    ids: list[int] | None = None


def preview(
    tokenizer: Any, example: str, name: str, ids: list[int], mask: list[bool], reveal: bool
) -> Preview:
    """The row for people, its content masked unless `reveal`."""
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    parts = []
    for counts, run in groupby(zip(ids, mask, strict=True), key=lambda pair: pair[1]):
        shown = _shown(tokenizer, [token for token, _ in run], special, reveal)
        parts.append(f"»{shown}«" if counts else shown)
    return Preview(example, name, len(ids), sum(mask), "".join(parts), ids if reveal else None)


def _shown(tokenizer: Any, ids: list[int], special: set[int], reveal: bool) -> str:
    if reveal:
        return str(tokenizer.decode(ids))
    parts = []
    for plain, run in groupby(ids, key=lambda token: token not in special):
        tokens = list(run)
        parts.append(f"[{len(tokens)} tokens]" if plain else str(tokenizer.decode(tokens)))
    return "".join(parts)
