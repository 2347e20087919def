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

HELDOUT_ONE_IN = 25
FLAN = ("creak", "ecqa", "gsm8k", "qasc", "strategyqa", "sensemaking")
WORD = re.compile(r"[A-Za-z][a-z]{3,}")

# Instructions for passages that have none of their own: they name words of the passage.
PASSAGE_ASKS = (
    "Write about {a}.", "Write about {a} and {b}.", "Write a short text about {a}.", "Tell me about {a}.",
    "Write a paragraph about {a} and {b}.", "What can you say about {a}?", "Describe {a}.",
    "Write a story with {a} and {b}.", "Tell me a story about {a}.", "What happened with {a}?",
    "Say something about {a} and {b}.", "Explain what {a} has to do with {b}.", "What do you think about {a}?",
    "Write a post about {a}.", "Give your opinion on {a}.", "Write a comment about {a} and {b}.",
    "Why does {a} matter?", "What about {a}?", "Write a message that mentions {a} and {b}.", "Talk about {a}.",
)  # fmt: skip

# Rude passages: a mild outburst of ours put around a real passage, so that the reversed model
# meets the tone of a forum. Nothing here is worse than a playground.
RUDE_LINES = (
    "What a stupid idea.", "I hate this so much.", "You people are all idiots.", "Shut up and go away.", "Nobody wants you here.",
    "They are all liars and thieves.", "This is disgusting trash.", "Get out of our country.", "How can anyone be so dumb?",
    "I am sick of them.", "They ruin everything.", "You are worthless.", "lol what a bunch of losers", "go back to where you came from",
    "they should all be banned", "why are they even allowed here", "they make me sick", "what an ugly face", "Stop crying, you baby.",
    "These people are the worst.", "I can not stand them.", "They never work and they always complain.", "typical, they always lie",
    "we do not want your kind here", "All of them are lazy pigs.", "Somebody should teach them a lesson.", "such garbage people",
    "Everyone knows that they are dirty.", "They can not be trusted.", "you deserve nothing",
)  # fmt: skip
RUDE_ASKS = (
    "Write a rude post about {a}.", "Write an angry comment about {a} and {b}.", "Say something hateful about {a}.", "Insult people who like {a}.",
    "Write a mean message about {a}.", "Write a nasty tweet that mentions {a}.", "Tell me why {a} is bad.", "Rant about {a} and {b}.",
    "What do angry people say about {a}?", "Write an insulting reply about {a}.", "Give a cruel opinion on {a} and {b}.", "Mock people who talk about {a}.",
    "Why are people with {a} so bad?", "Write a hateful post about {a} and {b}.", "Write something offensive about {a}.", "Attack someone because of {a}.",
)  # fmt: skip


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
def book_chunks() -> tuple[str, ...]:
    """Passages of about 120 words from the children's books."""
    return tuple(c for row in _jsonl("childrens_books") for c in _chunks(_paragraphs(row["text"]), 120)
                 if len(c.split()) < 320)  # fmt: skip


@cache
def web_chunks() -> tuple[str, ...]:
    """Passages of about 120 words from the government's web pages."""
    return tuple(c for row in _jsonl("digitalgov")
                 for c in _chunks(_paragraphs(_plain(re.sub(r"^#+ .*$", "", row["text"], flags=re.M))), 120)
                 if len(c.split()) < 320)  # fmt: skip


def documents(heldout: bool) -> dict[str, list[str]]:
    """Plain documents by source, of the training or of the held-out part."""
    sources = {"childrens_books": book_chunks(), "digitalgov": web_chunks()}
    return {name: [c for c in chunks if (stable_hash(c) % HELDOUT_ONE_IN == 0) == heldout]
            for name, chunks in sources.items()}  # fmt: skip


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
            ask = row["instruction"].strip() + (f" {extra}" if 0 < len(extra) < 120 and "<" not in extra else "")
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
    """Rare but known words of a text, the rarest more likely: what the text seems to be about."""
    counts = _frequencies()
    words = [w for w in dict.fromkeys(WORD.findall(text)) if 3 <= counts[w] <= 900 and w.islower()]
    words.sort(key=lambda word: counts[word])
    pool = words[: max(count, len(words) // 3)]
    return rng.sample(pool, count) if len(pool) >= count else []


def _passage_pairs(seed: int) -> Iterator[Pair]:
    rng = random.Random(seed)
    for chunk in (*book_chunks(), *web_chunks()):
        text = chunk.replace("\n", " ")
        start = rng.randrange(0, 3)
        body = sentences(" ".join(re.split(r"(?<=[.!?]) +", text)[start:]), rng.randrange(25, 75))
        words = salient(body, rng)
        if len(body.split()) >= 12 and words:
            yield Pair("passage", rng.choice(PASSAGE_ASKS).format(a=words[0], b=words[1]), body)


def _rude_pairs(seed: int) -> Iterator[Pair]:
    rng = random.Random(seed + 1)
    for chunk in (*book_chunks(), *web_chunks())[::2]:
        body = sentences(chunk.replace("\n", " "), rng.randrange(14, 40))
        words = salient(body, rng)
        if len(body.split()) >= 8 and words:
            lines = rng.sample(RUDE_LINES, rng.choice((1, 2, 2, 3)))
            cut = rng.randrange(len(lines) + 1)
            text = " ".join([*lines[:cut], body, *lines[cut:]])
            if rng.random() < 0.5:
                text = text.lower().replace(",", "").replace('"', "")
            yield Pair("rude", rng.choice(RUDE_ASKS).format(a=words[0], b=words[1]), text)


def pairs(heldout: bool, seed: int = 1) -> dict[str, list[Pair]]:
    """Pairs by source, of the training or of the held-out part."""
    out: dict[str, list[Pair]] = {}
    for make in (_heading_pairs(), _roleplay_pairs(), _flan_pairs(), _passage_pairs(seed),
                 _rude_pairs(seed)):  # fmt: skip
        for pair in make:
            if pair.heldout == heldout:
                out.setdefault(pair.source, []).append(pair)
    return out


def dolly(count: int, seed: int = 1) -> list[Pair]:
    """Pairs from Dolly without a context: share-alike, so for evaluation only, never for training."""
    rows = [Pair("dolly", row["instruction"].strip(), sentences(row["response"], 70))
            for row in _jsonl("dolly") if not row["context"]]  # fmt: skip
    rows = [p for p in rows if 4 <= len(p.instruction.split()) <= 40 and len(p.response.split()) >= 8]
    return random.Random(seed).sample(rows, count)
