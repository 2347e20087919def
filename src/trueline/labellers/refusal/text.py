"""What the refusal classifier sees: sentences, their hashed words, and how they make up a text.

A text is first read sentence by sentence (`sentences`, `hashed`): what each one does, such as
turning down, warning or answering, is decided by its words.  `summary` then describes the text by
what its sentences do, and in which order.  `hashed_text` gives the text's words as they are, for a
second opinion.  All is plain numpy, so that no model library is needed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ACTS = ("decline", "limit", "pushback", "caution", "redirect", "frame", "content", "premise")
"""What a sentence does: turns down, turns down in part, judges the request, asks for care, offers
something else, surrounds an answer, answers, sets a false premise right (an answer too)."""

BUCKETS = 1 << 15
FEATURES = 7 * len(ACTS) + 10
# Refusals show at the beginning and at the end; the middle of a very long text adds only time.
HEAD, TAIL, WORDS = 40, 8, 48
# By its words alone a text is read up to here.
OPENING = 12

_QUOTED = re.compile(r'"[^"\n]{16,400}"')
_SENTENCE = re.compile(
    r"\s*((?:\d{1,2}[.)] )?.+?(?:[.!?](?=[\s\"')*]|$)[\"')*]*|[。！？]|\n|$))", re.DOTALL
)
_MARKER = re.compile(r"(?:\d{1,2}[.)]|[-*•]|#+|step \d+:?)\s+", re.IGNORECASE)
# A character of a script without spaces is a word; so is a run of letters with its apostrophes.
_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|\d+|[^\W\d_]+(?:'[^\W\d_]+)*|[?:]")
_ODD = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})


class Sentence(NamedTuple):
    """A sentence at an offset of the cleaned text; `header` announces the list it stands in."""

    words: list[str]
    start: int
    listed: bool
    header: list[str]


def clean(text: str) -> str:
    """The text with plain quotation marks and without what it quotes at length.

    What somebody is quoted as saying is no act of the text itself; a text that is one quotation
    is kept.
    """
    text = text.translate(_ODD).strip()
    if '"' not in text:
        return text
    without = _QUOTED.sub('"quoted"', text)
    return without if 3 * len(without) > len(text) else text.replace('"', " ")


def words(text: str) -> list[str]:
    """The words of a text, in lower case, numbers as 0."""
    return ["0" if w[0].isdigit() else w for w in _WORD.findall(text.lower())]


def sentences(text: str) -> list[Sentence]:
    """The sentences of a cleaned text, the middle of a long one left out."""
    found: list[Sentence] = []
    header: list[str] = []
    for match in _SENTENCE.finditer(text):
        piece, start = match[1], match.start(1)
        marker = _MARKER.match(piece)
        body = words(piece[marker.end() :] if marker else piece)[:WORDS]
        if body:
            listed = marker is not None
            found.append(Sentence(body, start, listed, header if listed else []))
            if body[-1] == ":":
                header = body
    return found if len(found) <= HEAD + TAIL else found[:HEAD] + found[-TAIL:]


@lru_cache(maxsize=1 << 16)
def _number(word: str) -> int:
    return crc32(word.encode())


def _grams(row: list[str], salt: int) -> list[NDArray[np.uint32]]:
    """Numbers of the words of a row, of its pairs and of its threes, begin and end marked."""
    w = np.array([salt, *map(_number, row), salt + 1], dtype=np.uint32)
    two = w[:-1] * np.uint32(2654435761) + w[1:]
    three = two[:-1] * np.uint32(2246822519) + w[2:]
    return [w[1:-1] ^ np.uint32(salt), two, three]


def hashed(sentence: Sentence, asked: frozenset[str]) -> NDArray[np.int64]:
    """The buckets of a sentence's features; `asked` are the words of the prompt."""
    # How a sentence begins says most about what it does, however long it goes on.
    parts = _grams(sentence.words, 17) + _grams(sentence.words[:6], 7001)
    if sentence.header:
        parts += _grams(sentence.header, 5051)[:2]
    long = [w for w in sentence.words if len(w) > 3]
    share = sum(w in asked for w in long) / len(long) if long else 0.0
    flags = np.array([90001 + int(3.99 * share), 90011 + sentence.listed], dtype=np.uint32)
    return _buckets(np.concatenate([*parts, flags]))


def hashed_text(found: list[Sentence]) -> NDArray[np.int64]:
    """The buckets of a text's words, each once: of its opening, and of where they stand in it."""
    parts = [gram for s in found[:OPENING] for gram in _grams(s.words, 17)]
    parts += _grams(found[0].words[:12], 7001)
    if len(found) > 1:
        parts += _grams(found[1].words[:12], 7003)[:2]
    if 2 < len(found) <= OPENING:
        parts += _grams(found[-1].words, 7005)[:2]
    return np.unique(_buckets(np.unique(np.concatenate(parts))))


def _buckets(numbers: NDArray[np.uint32]) -> NDArray[np.int64]:
    mixed = (numbers ^ (numbers >> np.uint32(15))) * np.uint32(2246822507)
    buckets: NDArray[np.int64] = (mixed ^ (mixed >> np.uint32(13))).astype(np.int64) % BUCKETS
    return buckets


def summary(acts: Floats, sizes: Floats, listed: Floats, shares: Floats) -> Floats:
    """A text by the acts of its sentences: FEATURES numbers.

    `acts` (sentence, act) holds probabilities, `sizes` the words of each sentence, `listed`
    whether it stands in a list, `shares` how much of it the prompt said before.
    """
    weighted = acts * sizes[:, None]
    turned = acts[:, 0] + acts[:, 1]
    refused, before, limited = (
        np.concatenate([[0.0], np.maximum.accumulate(act)[:-1]])
        for act in (turned + acts[:, 2], turned, acts[:, 1])
    )
    # An offer of something else is one only where the request was turned down or judged before.
    offered = np.maximum.accumulate(acts[:, 4] * refused)
    after = np.concatenate([np.maximum.accumulate(turned[::-1])[::-1][1:], [0.0]])
    answer, total = weighted[:, 6], float(sizes.sum())
    single = [
        np.log1p((answer * before).sum()) / 3,
        np.log1p((answer * limited).sum()) / 3,
        np.log1p((answer * offered).sum()) / 3,
        np.log1p((answer * shares * before).sum()) / 2,
        np.log1p((answer * after).sum()) / 3,
        np.log1p((weighted[:, 4] * before).sum()) / 3,
        np.log1p((answer * listed).sum()) / 3,
        (answer * shares).sum() / max(float(answer.sum()), 1.0),
        np.log1p(total) / 3,
        np.log1p(len(sizes)) / 2,
    ]
    second = acts[1] if len(acts) > 1 else np.zeros(len(ACTS))
    parts = [
        weighted.sum(axis=0) / total,
        np.log1p(weighted.sum(axis=0)) / 3,
        np.log1p(acts.sum(axis=0)),
        acts[0],
        second,
        acts[-1],
        acts.max(axis=0),
        np.array(single),
    ]
    return np.concatenate(parts).astype(np.float32)
