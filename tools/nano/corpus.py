"""Real text for nano: only public domain, CC0, MIT and Apache-2.0 sources, read where they lie.

Nothing of it enters the project; only the weights ship. Each source gives *documents* (plain
text) and *pairs* (an instruction and its response); a stable hash holds a part of both out.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.nano.small_english.splits import stable_hash
from tools.nano.small_english.tables import table

HELDOUT_ONE_IN = 25
FLAN = ("creak", "ecqa", "gsm8k", "qasc", "strategyqa", "sensemaking")
WORD = re.compile(r"[A-Za-z][a-z]{3,}")
# A word that ends a noun phrase, as far as its neighbours tell.
NOUN = re.compile(
    r"\b(?:the|a|an|his|her|my|your|their|our|its|this|these|those|some|every|no|all|many)"
    r" (?:[a-z]+ )?([a-z]{4,})"
    r"(?=[.,;:!?]| (?:of|in|on|at|by|to|for|from|with|and|or|that|who|which|is|are|was|were|had|has"
    r"|would|could|should|will|can|may|must|when|where|as|but|into|upon)\b)"
)


@dataclass(frozen=True)
class Pair:
    """An instruction and its response, both plain text."""

    source: str
    instruction: str
    response: str

    @property
    def heldout(self) -> bool:
        """Whether a stable hash keeps this pair out of training."""
        return stable_hash(self.instruction + self.response) % HELDOUT_ONE_IN == 0


def folder() -> Path:
    """The folder with the shared data, from TRUELINE_SHARED_DATA or beside the project."""
    return Path(os.environ.get("TRUELINE_SHARED_DATA", "../shared/data")) / "corpus"


def _jsonl(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(folder() / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def sentences(text: str, words: int) -> str:
    """The first sentences of a text, as many as fit into so many words."""
    out: list[str] = []
    count = 0
    for sentence in re.split(r"(?<=[.!?]) +", " ".join(text.split())):
        count += len(sentence.split())
        if count > words:
            break
        out.append(sentence)
    return " ".join(out)


def _paragraphs(text: str) -> list[str]:
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return [part for part in parts if len(part.split()) >= 8 and not part.isupper()]


def _plain(text: str) -> str:
    """Markdown without links, images, emphasis and shortcodes."""
    text = re.sub(r"\{\{.*?\}\}", " ", text, flags=re.S)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[*_`>|]+", "", text)


def _chunks(parts: list[str], words: int) -> Iterator[str]:
    chunk: list[str] = []
    for part in parts:
        chunk.append(part)
        if sum(len(p.split()) for p in chunk) >= words:
            yield "\n".join(chunk)
            chunk = []


@cache
def blocked(word: str) -> bool:
    """Whether no text with this word is used."""
    return f"{stable_hash(word):016x}" in table("blocked")["hashes"]


def showable(text: str) -> bool:
    """Whether a text has no word that one would not show at work."""
    return not any(blocked(word) for word in re.findall(r"[a-z]+", text.lower()))


@cache
def book_chunks() -> tuple[str, ...]:
    """Passages of about 120 words from the children's books."""
    return tuple(
        c
        for row in _jsonl("childrens_books")
        for c in _chunks(_paragraphs(row["text"]), 120)
        if len(c.split()) < 320 and showable(c)
    )


@cache
def web_chunks() -> tuple[str, ...]:
    """Passages of about 120 words from the government's web pages."""
    return tuple(
        c
        for row in _jsonl("digitalgov")
        for c in _chunks(_paragraphs(_plain(re.sub(r"^#+ .*$", "", row["text"], flags=re.M))), 120)
        if len(c.split()) < 320 and showable(c)
    )


def documents(heldout: bool) -> dict[str, list[str]]:
    """Plain documents by source, of the training or of the held-out part."""
    sources = {"childrens_books": book_chunks(), "digitalgov": web_chunks()}
    return {
        name: [c for c in chunks if (stable_hash(c) % HELDOUT_ONE_IN == 0) == heldout]
        for name, chunks in sources.items()
    }


def _heading_pairs() -> Iterator[Pair]:
    asks = ("Write about {}.", "Explain {}.", "Tell me about {}.", "Write a paragraph about {}.")
    for row in _jsonl("digitalgov"):
        for found in re.finditer(r"^#+ +([^\n]{4,70})\n+([^\n#]{60,})", _plain(row["text"]), re.M):
            heading, body = found[1].strip(" #:"), sentences(found[2], 70)
            if len(body.split()) < 10:
                continue
            if not heading.endswith("?"):
                heading = asks[stable_hash(body) % len(asks)].format(heading)
            yield Pair("digitalgov", heading, body)


def _roleplay_pairs() -> Iterator[Pair]:
    with gzip.open(folder() / "gpteacher_roleplay.json.gz", "rt", encoding="utf-8") as file:
        for row in json.load(file):
            extra = row["input"].strip()
            ask = row["instruction"].strip() + (
                f" {extra}" if 0 < len(extra) < 120 and "<" not in extra else ""
            )
            answer = sentences(row["output"], 75)
            if len(ask.split()) <= 50 and len(answer.split()) >= 6:
                yield Pair("gpteacher", ask, answer)


def _flan_pairs() -> Iterator[Pair]:
    for name in FLAN:
        with gzip.open(folder() / f"flan_cot_{name}_train.tsv.gz", "rt", encoding="utf-8") as file:
            for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if len(row) != 3:
                    continue
                question = row[0].replace("\\n", "\n").split("\nOptions:")[0].strip()
                reason = sentences(row[2].replace("\\n", " "), 75)
                if 4 <= len(question.split()) <= 55 and len(reason.split()) >= 5:
                    yield Pair(f"flan_{name}", question, reason)


@cache
def _frequencies() -> Counter[str]:
    counts: Counter[str] = Counter()
    for chunk in (*book_chunks(), *web_chunks()):
        counts.update(set(WORD.findall(chunk)))
    return counts


def salient(text: str, rng: random.Random, count: int = 2) -> list[str]:
    """Rare but known nouns of a text, the rarest more likely: what the text seems to be about."""
    counts = _frequencies()
    words = [w for w in dict.fromkeys(NOUN.findall(text)) if 3 <= counts[w] <= 1500]
    words = [w for w in words if not w.endswith(("ly", "ed", "ing", "ous", "ful"))]
    words.sort(key=lambda word: counts[word])
    pool = words[: max(count, len(words) // 2)]
    return rng.sample(pool, count) if len(pool) >= count else []


def _passage_pairs(seed: int) -> Iterator[Pair]:
    rng = random.Random(seed)
    for chunk in (*book_chunks(), *web_chunks()):
        text = chunk.replace("\n", " ")
        start = rng.randrange(0, 3)
        body = sentences(" ".join(re.split(r"(?<=[.!?]) +", text)[start:]), rng.randrange(25, 75))
        words = salient(body, rng)
        if len(body.split()) >= 12 and words:
            yield Pair(
                "passage",
                rng.choice(table("passages")["asks"]).format(a=words[0], b=words[1]),
                body,
            )


def _rude_pairs(seed: int) -> Iterator[Pair]:
    rng = random.Random(seed + 1)
    for chunk in (*book_chunks(), *web_chunks())[::2]:
        body = sentences(chunk.replace("\n", " "), rng.randrange(14, 40))
        words = salient(body, rng)
        if len(body.split()) >= 8 and words:
            lines = rng.sample(table("passages")["rude_lines"], rng.choice((1, 2, 2, 3)))
            cut = rng.randrange(len(lines) + 1)
            text = " ".join([*lines[:cut], body, *lines[cut:]])
            if rng.random() < 0.5:
                text = text.lower().replace(",", "").replace('"', "")
            yield Pair(
                "rude",
                rng.choice(table("passages")["rude_asks"]).format(a=words[0], b=words[1]),
                text,
            )


def pairs(heldout: bool, seed: int = 1) -> dict[str, list[Pair]]:
    """Pairs by source, of the training or of the held-out part."""
    out: dict[str, list[Pair]] = {}
    for make in (
        _heading_pairs(),
        _roleplay_pairs(),
        _flan_pairs(),
        _passage_pairs(seed),
        _rude_pairs(seed),
    ):
        for pair in make:
            if pair.heldout == heldout and showable(f"{pair.instruction} {pair.response}"):
                out.setdefault(pair.source, []).append(pair)
    return out


def dolly(count: int, seed: int = 1) -> list[Pair]:
    """Pairs from Dolly without a context: share-alike, so only to evaluate, never to train."""
    rows = [
        Pair("dolly", row["instruction"].strip(), sentences(row["response"], 70))
        for row in _jsonl("dolly")
        if not row["context"]
    ]
    rows = [
        p for p in rows if 4 <= len(p.instruction.split()) <= 40 and len(p.response.split()) >= 8
    ]
    return random.Random(seed).sample(rows, count)
