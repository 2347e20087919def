"""Near-duplicates: candidates by MinHash, each verified by its exact Jaccard similarity.

Texts are compared as sets of words and of neighbouring word pairs, without case or punctuation,
so that "Bake a cake!" and "bake a cake" are one, and word order still counts.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Set
from typing import Any

from trueline.files.errors import InputError
from trueline.records.types import Example
from trueline.runs.context import RunContext
from trueline.runs.stage import Outcome, Rejected, Table

_WORD = re.compile(r"\w+")
PERMUTATIONS = 128
MISSED = 1e-6  # of the pairs just at the threshold, at most this share


def shingles(text: str) -> frozenset[str]:
    """The words of a text and its neighbouring pairs; a text without words is its own shingle."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    if not words:
        return frozenset([text.strip()])
    return frozenset(words) | frozenset(f"{a} {b}" for a, b in itertools.pairwise(words))


def jaccard(a: Set[Any], b: Set[Any]) -> float:
    """|a ∩ b| / |a ∪ b|."""
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def bands(threshold: float) -> int:
    """Into how many bands the permutations are cut: as few as find every pair but MISSED, since
    each band more is more candidates to verify.  A pair is missed with (1 - t^rows)^bands."""
    enough = (b for b in (16, 32, 64) if (1 - threshold ** (PERMUTATIONS / b)) ** b <= MISSED)
    return next(enough, PERMUTATIONS)


class Index:
    """Texts met so far, found again by near-equality; `threshold` is a Jaccard similarity."""

    def __init__(self, threshold: float = 0.8, seed: int = 0) -> None:
        if not 0 < threshold <= 1:
            raise InputError(f"a near-duplicate threshold lies in (0, 1], not {threshold}")
        try:
            import rensa
        except ImportError as error:
            raise InputError("near-duplicates need an extra: pip install 'trueline[dedup]'") from (
                error
            )
        self._hash = rensa.RMinHash
        self._lsh = rensa.RMinHashLSH(threshold, PERMUTATIONS, bands(threshold))
        # 64-bit hashes in place of shingles: a tenth of the memory for a table of millions.
        self._texts: list[tuple[array[int], str]] = []
        self.threshold, self.seed = threshold, seed

    def find(self, text: str) -> tuple[str, float] | None:
        """The name of the most similar text at or above the threshold, and the similarity."""
        parts = shingles(text)
        wanted = frozenset(_hashes(parts))
        best: tuple[str, float] | None = None
        for number in self._lsh.query(self._minhash(parts)):
            held, name = self._texts[number]
            similarity = jaccard(wanted, frozenset(held))
            if similarity >= self.threshold and (best is None or similarity > best[1]):
                best = name, similarity
        return best

    def add(self, text: str, name: str) -> None:
        """Keep the text under a name by which `find` gives it back."""
        kept = shingles(text)
        self._lsh.insert(len(self._texts), self._minhash(kept))
        self._texts.append((_hashes(kept), name))

    def _minhash(self, parts: frozenset[str]) -> object:
        value = self._hash(PERMUTATIONS, self.seed)
        value.update(sorted(parts))
        return value


def _hashes(parts: frozenset[str]) -> array[int]:
    return array("q", map(hash, parts))


def prompt_text(example: Example) -> str:
    """What the user asked: the prompt's user turns, joined by blank lines."""
    return "\n\n".join(m.content for m in example.prompt if m.role == "user")


def response_text(example: Example) -> str:
    """The text of the first response."""
    return example.responses[0].text


def near_duplicates(
    context: RunContext, *, text_of: Callable[[Example], str], what: str, threshold: float = 0.8
) -> Table:
    """Passes the first of each group of near-equal texts; later ones are rejected with the id of
    the one that they repeat.

    `text_of` (a function of a module, so that the stage can be sent to a worker) gives the text,
    `what` names it; `threshold` is a Jaccard similarity.
    """

    async def table(stream: AsyncIterator[Example]) -> AsyncGenerator[Outcome]:
        index = Index(threshold)
        async for example in stream:
            text = text_of(example)
            if nearest := index.find(text):
                name, similarity = nearest
                detail = f"Jaccard {similarity:.2f} with {name}"
                yield Rejected(example, f"near-duplicate {what}", detail)
            else:
                index.add(text, example.id)
                yield example

    return table
