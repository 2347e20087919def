"""What is trained on, shown before the first step: the tokens of a row, and which of them count."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Struct

from trueline.train.data.rows import Segment

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class Preview(Struct, frozen=True):
    """One segment as it is trained on.

    `text` shows it in order: special tokens as they are, other runs as `[12 tokens]` unless they
    were revealed, and what counts between » and «.  `ids` are there if it was revealed.
    """

    example: str
    name: str
    tokens: int
    trained: int
    text: str
    ids: list[int] | None = None


def preview(
    tokenizer: PreTrainedTokenizerFast, example: str, segment: Segment, reveal: bool
) -> Preview:
    """The segment for people, its content masked unless `reveal`."""
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    parts = []
    pairs = zip(segment.ids, segment.mask, strict=True)
    for counts, run in groupby(pairs, key=lambda pair: pair[1]):
        text = _format_tokens(tokenizer, [token for token, _ in run], special, reveal)
        parts.append(f"»{text}«" if counts else text)
    ids = segment.ids if reveal else None
    size, trained = len(segment.ids), sum(segment.mask)
    return Preview(example, segment.name, size, trained, "".join(parts), ids)


def _format_tokens(
    tokenizer: PreTrainedTokenizerFast, ids: list[int], special: set[int], reveal: bool
) -> str:
    if reveal:
        return str(tokenizer.decode(ids))
    parts = []
    for plain, run in groupby(ids, key=lambda token: token not in special):
        tokens = list(run)
        parts.append(f"[{len(tokens)} tokens]" if plain else str(tokenizer.decode(tokens)))
    return "".join(parts)
