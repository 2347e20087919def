"""Answers of our own making, labelled by how they were made: comply, partial or refuse.

A `Plan` is the order in which an answer does things; what fills it is drawn from the tables and,
for plain content, from real text with a free licence (`passages.py` says which).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tools.refusal.draw import WORDS, sentence, table, topics
from trueline.labellers.refusal.text import clean


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer and what it does: an act of `refusal_text.ACTS`, or "unknown"."""

    text: str
    act: str


@dataclass(frozen=True)
class Document:
    """A prompt, the pieces of its answer in order, and what the answer is as a whole."""

    prompt: str
    pieces: tuple[Piece, ...]
    value: str
    glue: str = " "

    def rendered(self) -> tuple[str, list[tuple[int, str]]]:
        """The answer, and where in it each act begins."""
        text, starts = "", []
        for piece in self.pieces:
            text += self.glue if text else ""
            starts.append((len(text), piece.act))
            text += piece.text
        return text, starts


# What an answer does in turn: letters with how often; a capital must come, a small one may.
#   d decline  u unable  l limit  x leaves out  p pushback  c caution
#   b bridge to an answer  f fact given as a reason  v verdict
#   r redirect  y something kinder near it  h header with items
#   o opener  s sympathy  i disclaimer  e closer
#   g sets a premise right  a answer  q quoted  k something else at length
#   t argues the opposite  m says what a grave thing is  n one sentence or passage  w advice
PLANS: dict[str, tuple[tuple[str, int], ...]] = {
    "comply": (
        ("oAe", 30),
        ("A", 20),
        ("N", 16),
        ("W", 20),
        ("WWce", 14),
        ("oWAe", 6),
        ("AWcr", 8),
        ("cWc", 4),
        ("oWr", 5),
        ("VN", 3),
        ("sAe", 6),
        ("SAc", 3),
        ("IAe", 6),
        ("Aci", 6),
        ("cAc", 6),
        ("Acr", 4),
        ("AcCe", 4),
        ("Qa", 4),
        ("aQA", 6),
        ("OA", 6),
        ("sIAce", 3),
        ("Arc", 3),
        ("VAe", 10),
        ("VA", 6),
        ("cVAc", 3),
        ("oAAAe", 10),
        ("AAA", 6),
        ("OOAAc", 6),
        ("oCAAc", 6),
        ("oCAAAAc", 4),
        ("AAFAc", 4),
        ("OFAAAc", 5),
        ("VFAc", 3),
        ("VVf", 2),
        ("VFp", 3),
        ("GG", 12),
        ("G", 6),
        ("VGc", 8),
        ("GGGc", 10),
        ("GcGe", 8),
        ("GAc", 5),
        ("cGG", 6),
        ("sGGr", 3),
        ("IGG", 3),
        ("MMM", 8),
        ("MMcr", 8),
        ("M", 3),
        ("oMMMcCr", 6),
        ("MMPcr", 4),
        ("MCCr", 8),
        ("MCcCR", 8),
        ("MMCCR", 8),
        ("MPCR", 6),
        ("GPCR", 6),
        ("oGcCR", 6),
        ("oPGGcr", 6),
        ("sGPGcr", 6),
        ("oGGcpr", 6),
        ("GGpc", 4),
        ("VPA", 3),
        ("VAp", 3),
        ("AAAAc", 8),
        ("AcAcA", 5),
        ("oApAc", 3),
        # Preaching takes nothing away from an answer that is all there.
        ("oPAAcr", 8),
        ("PAAc", 6),
        ("oCAApr", 6),
        ("OPGGcr", 6),
        ("oPGAc", 4),
        ("PWcr", 5),
        ("oCWCr", 5),
        ("AAPcr", 4),
        ("IV", 3),
    ),
    "refuse": (
        ("D", 12),
        ("sDp", 8),
        ("Dpp", 10),
        ("DPcr", 12),
        ("DPpcrr", 12),
        ("PDr", 6),
        ("PPcr", 4),
        ("PPcR", 4),
        ("DH", 4),
        ("DPHe", 6),
        ("PPHr", 2),
        ("DRr", 8),
        ("U", 8),
        ("Ur", 6),
        ("uDr", 3),
        ("sRr", 1),
        ("PPCr", 3),
        ("UDr", 3),
        ("DCRr", 5),
        ("oPDr", 3),
        ("oDpr", 3),
        ("DFPcr", 10),
        ("DFcRr", 8),
        ("DCfR", 6),
        ("DpCFR", 5),
        ("DCFPrr", 6),
        ("DDCpRrr", 6),
        ("PFpcr", 4),
        ("DPKr", 12),
        ("DPCKcr", 12),
        ("DpRKr", 6),
        ("DFCK", 6),
        ("UKr", 3),
        ("sDK", 4),
        ("DG", 5),
        ("DPGc", 6),
        ("DGGr", 5),
        ("PDGr", 4),
        ("UGr", 3),
        ("sDpGcR", 4),
        ("DPCKKcr", 14),
        ("DCFKPKr", 10),
        ("DPKCKK", 10),
        ("DPCHKr", 8),
        ("DDPCKKKr", 8),
        ("DPFFCcRRKr", 6),
        ("DPDr", 5),
        ("DY", 20),
        ("UY", 5),
        ("DpY", 6),
        ("DYY", 6),
        ("DYr", 4),
        # Arguing the opposite gives nothing of what was asked, however much it says on the subject.
        ("TTT", 10),
        ("TTTTTTt", 12),
        ("TTpTTcTT", 10),
        ("DTTTTt", 8),
        ("oTTcTr", 6),
        ("TTTTTTTTT", 8),
        ("ITTTt", 8),
        ("ITT", 5),
        ("PTTTTr", 6),
        ("TT", 4),
    ),
    "partial": (
        ("LA", 22),
        ("LAc", 8),
        ("DLAe", 8),
        ("DpLA", 10),
        ("PLAc", 8),
        ("AX", 10),
        ("oAXr", 6),
        ("aXAc", 3),
        ("LAX", 4),
        ("ULA", 4),
        ("dPLAr", 5),
        ("DBA", 8),
        ("DpBAc", 8),
        ("UBA", 5),
        ("DpcBAAc", 5),
        ("LAAAr", 4),
        ("DAAc", 4),
        ("DPBAAAc", 6),
        ("LAAAAc", 4),
    ),
}
KINDS = {
    "d": ("declines.decline", "decline"),
    "u": ("declines.unable", "decline"),
    "l": ("declines.limit", "limit"),
    "x": ("declines.leaves_out", "limit"),
    "b": ("declines.bridge", "limit"),
    "p": ("morals.pushback", "pushback"),
    "c": ("morals.caution", "caution"),
    "r": ("redirects.one", "redirect"),
    "y": ("redirects.alternative", "redirect"),
    "o": ("frames.opener", "frame"),
    "s": ("frames.sympathy", "frame"),
    "i": ("frames.disclaimer", "frame"),
    "v": ("frames.verdict", "premise"),
    "g": ("premises.set_right", "premise"),
    "t": ("oughts.opposite", "pushback"),
    "m": ("definitions.says", "content"),
    "f": ("morals.fact", "pushback"),
    "e": ("frames.closer", "frame"),
    "q": ("asks.quoted", "content"),
}


# What is asked where an answer does this.
ASKS = {"g": "premises.ask", "t": "oughts.ask", "m": "definitions.ask"}

# What may go on after a sentence in the same breath; the first part decides what it does.
JOINED = {
    "d": ("morals.pushback", "morals.fact", "morals.pushback", "morals.caution"),
    "u": ("morals.caution", "declines.unable"),
    "p": ("morals.pushback", "morals.fact"),
    "c": ("morals.caution", "morals.fact"),
    "r": ("morals.caution", "redirects.one"),
    "f": ("morals.fact",),
    "v": ("frames.verdict",),
}


def joined(text: str, more: str, rng: random.Random) -> str:
    """Two sentences as a longer one."""
    link = rng.choice(
        (", as ", ", because ", ", and ", ", since ", "; ", ", but ", ", which means ")
    )
    lower = more if more.startswith(("I ", "I'")) else more[:1].lower() + more[1:]
    return text.rstrip(".!?") + link + lower


class Maker:
    """Draws documents; `part` of `parts` of the templates, `passages` of real text as answers."""

    def __init__(
        self, seed: int, part: int, parts: int, passages: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.rng = random.Random(f"refusal {seed} {part}")
        self.part, self.parts, self.passages = part, parts, passages[part::parts]
        self.topics = topics()[part::parts]

    def documents(self, count: int) -> Iterator[Document]:
        """As many of each value."""
        for _ in range(count):
            for value, plans in PLANS.items():
                yield self._document(value, plans)

    def _document(self, value: str, plans: tuple[tuple[str, int], ...]) -> Document:
        rng = self.rng
        [plan] = rng.choices([p for p, _ in plans], [w for _, w in plans])
        about = {word: rng.choice(table(name)[word]) for word, name in WORDS.items()}
        topic = rng.choice(self.topics) | about
        asks = (ask for letter, ask in ASKS.items() if letter in plan.lower())
        prompt = self._say(next(asks, "asks.ask"), topic)
        passage: list[str] = []
        if self.passages and set("an") & set(plan.lower()) and rng.random() < 0.6:
            prompt, text = rng.choice(self.passages)
            passage = text.split("\n")
        pieces: list[Piece] = []
        for letter in plan:
            if letter.islower() and rng.random() < 0.5:
                continue
            pieces += self._pieces(letter.lower(), topic, passage)
        glue = rng.choice((" ", " ", "\n\n", "\n"))
        return Document(prompt, tuple(pieces), value, glue)

    def _say(self, name: str, topic: dict[str, Any]) -> str:
        return clean(sentence(name, topic, self.rng, self.part, self.parts))

    def _pieces(self, letter: str, topic: dict[str, Any], passage: list[str]) -> list[Piece]:
        if letter == "n":
            says = passage or [self.rng.choice(topic["says"])]
            return [Piece(clean(" ".join(says)), "content")]
        if letter == "a":
            return self._answer(topic, passage)
        if letter == "h":
            items = [self._say("redirects.item", topic) for _ in range(self.rng.randint(2, 6))]
            lines = self._listed(items)
            return [Piece(self._say("redirects.header", topic), "redirect")] + [
                Piece("\n" + line, "unknown") for line in lines
            ]
        if letter == "w":
            return self._advice(topic)
        if letter == "k":
            return self._elsewhere(topic)
        name, act = KINDS[letter]
        text = self._say(name, topic)
        if letter in JOINED and self.rng.random() < 0.6:
            text = joined(text, self._say(self.rng.choice(JOINED[letter]), topic), self.rng)
        return [Piece(text, act)]

    def _advice(self, topic: dict[str, Any]) -> list[Piece]:
        """What to do, some of it about the topic: as sentences, or as a list with explanations."""
        says = [clean(s) for s in self.rng.sample(topic["says"], k=min(2, len(topic["says"])))]
        items = [self._say("advice.item", topic) for _ in range(self.rng.randint(3, 8))]
        both = items + says * (self.rng.random() < 0.6)
        self.rng.shuffle(both)
        if self.rng.random() < 0.5:
            both = [f"{a} {b}" for a, b in zip(both[::2], both[1::2], strict=False)]
        if self.rng.random() < 0.7:
            both = ["\n" + line for line in self._listed(both)]
        begins = Piece(self._say("advice.header", topic), "frame")
        return [begins] * (self.rng.random() < 0.7) + [Piece(p, "content") for p in both]

    def _elsewhere(self, topic: dict[str, Any]) -> list[Piece]:
        """Something else than was asked, at length: by itself it would be an answer."""
        name = self.rng.choice(("redirects.one", "redirects.turn", "redirects.turn"))
        begins = Piece(self._say(name, topic), "redirect")
        other = self.rng.choice(self.topics)
        passage = []
        if self.passages and self.rng.random() < 0.5:
            passage = [self.rng.choice(self.passages)[1]]
        return [begins, *(Piece(p.text, "unknown") for p in self._answer(other, passage))]

    def _answer(self, topic: dict[str, Any], passage: list[str]) -> list[Piece]:
        """Content: a real passage, or sentences of the topic, perhaps as a list."""
        if passage:
            if self.rng.random() < 0.3:  # the next stretch comes from elsewhere
                passage[:] = [self.rng.choice(self.passages)[1]]
            return [Piece(clean(" ".join(passage)), "content")]
        says = list(topic["says"])
        count = self.rng.randint(min(2, len(says)), len(says))
        first = self.rng.randrange(len(says) - count + 1)
        says = [clean(s) for s in says[first : first + count]]
        if self.rng.random() < 0.35:
            return [Piece("\n" + line, "content") for line in self._listed(says)]
        return [Piece(s, "content") for s in says]

    def _listed(self, lines: list[str]) -> list[str]:
        if self.rng.random() < 0.7:
            return [f"{number}. {line}" for number, line in enumerate(lines, 1)]
        return [f"- {line}" for line in lines]
