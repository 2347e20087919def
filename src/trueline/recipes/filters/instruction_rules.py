"""Rules that an induced instruction must pass: each returns the objection to it, or None.

They find what is not an instruction at all (empty, cut off, gibberish, an answer, a copy of the
text); whether a good instruction suits a domain is a labeller's question, not a rule's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from trueline.recipes.filters.near_duplicates import shingles


class Objection(NamedTuple):
    """Why an instruction is none; `reason` is short and can be counted."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class Limits(Struct, frozen=True):
    """How far an instruction may go; shares are of its characters, words or word pairs."""

    min_words: int = 3
    max_words: int = 250
    min_letters: float = 0.6
    max_word_letters: int = 40
    max_words_without_vowel: float = 0.3
    max_single_letters: float = 0.6
    min_different_words: float = 0.5
    max_copied: float = 0.8


Rule = Callable[[str, str, Limits], Objection | None]
"""Of an instruction and the text that it was induced from."""

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_LEFTOVER = re.compile(
    r"#{2,}\s*(response|instruction|input)|below is (a response|an instruction)|<\|\w+\|>"
    r"|\{\{?\w+\}?\}|\[(insert|your|name|text)\b|\blorem ipsum\b|\bn/a\s*$"
    r"|^\W*(null|none|undefined)\W*$",
    re.IGNORECASE,
)
# "No, it is not." answers; "No more than three lines, please" and "I can't sleep" ask.
_ANSWER = re.compile(
    r"(sure|certainly|of course|absolutely|yes|no|okay|ok|sorry|thank you|thanks)[,.!:]"
    r"|here (is|are)\b(?!.*\?)|i('m| am) sorry\b|as an ai\b"
    r"|i(('m| am) unable to| can(no|')t| cannot| will not| won't)"
    r" (help|assist|provide|comply|fulfil|support|create|write|give|share|offer|discuss|answer)",
    re.IGNORECASE | re.DOTALL,
)
# "Where is he from?" is whole; "Tell me where he is from the" is not.
_DANGLING = re.compile(
    r"(?:[,;:(\-–—]|\b(?:the|a|an|and|or)\s*[.?!]*"
    r"|\b(?:of|to|with|for|in|at|by|from|that|which|is|are|my|your|their|his|its|about|into))\s*$",
    re.IGNORECASE,
)
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BAD_RUN = re.compile(r"([^\W\d_])\1{7,}|[bcdfghjklmnpqrstvwxz]{8,}")


def empty(instruction: str, text: str, limits: Limits) -> Objection | None:
    return None if _WORD.search(instruction) else Objection("empty", "no word in it")


def short(instruction: str, text: str, limits: Limits) -> Objection | None:
    count = len(_WORD.findall(instruction))
    cjk = any(unicodedata.east_asian_width(c) in "WF" for c in instruction)
    too_short = count < limits.min_words and not cjk
    return Objection("too short", f"{count} words") if too_short else None


def long(instruction: str, text: str, limits: Limits) -> Objection | None:
    count = len(_WORD.findall(instruction))
    return Objection("too long", f"{count} words") if count > limits.max_words else None


def leftover(instruction: str, text: str, limits: Limits) -> Objection | None:
    match = _LEFTOVER.search(instruction)
    return Objection("template left over", repr(match[0])) if match else None


def control(instruction: str, text: str, limits: Limits) -> Objection | None:
    bad = {c for c in instruction if unicodedata.category(c) in ("Cc", "Co", "Cn")} - set("\n\t\r")
    if bad or "�" in instruction:
        return Objection("control characters", str(sorted(map(ascii, bad))))
    return None


def gibberish(instruction: str, text: str, limits: Limits) -> Objection | None:
    """Letters that make no words."""
    visible = [c for c in instruction if not c.isspace()]
    letters = sum(c.isalnum() or unicodedata.category(c).startswith("M") for c in visible)
    words = _words(instruction)
    why = None
    if letters < limits.min_letters * len(visible):
        why = f"{letters} letters in {len(visible)} characters"
    elif match := _BAD_RUN.search(instruction):
        why = repr(match[0][:12])
    elif any(len(word) > limits.max_word_letters for word in words):
        why = f"a word of over {limits.max_word_letters} letters"
    else:
        why = _odd_letters(words, limits)
    return Objection("gibberish", why) if why else None


def _odd_letters(words: list[str], limits: Limits) -> str | None:
    latin = [w for w in words if w.isascii() and w.isalpha() and len(w) > 3]
    mute = [w for w in latin if not set(w) & set("aeiouy")]
    if len(latin) >= 3 and len(mute) > limits.max_words_without_vowel * len(latin):
        return f"{len(mute)} of {len(latin)} words without a vowel"
    single = sum(len(w) == 1 and w.isascii() for w in words)
    if len(words) >= 6 and single > limits.max_single_letters * len(words):
        return "mostly single letters"
    if sum(len(w) >= 4 and any(w in row for row in _KEYS) for w in words) >= 2:
        return "neighbouring keys"
    return None


def repetition(instruction: str, text: str, limits: Limits) -> Objection | None:
    """The same words over and over."""
    words = _words(instruction)
    different = len(set(words))
    why = None
    if any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False)):
        why = "one word three times running"
    elif len(words) >= 8 and different < limits.min_different_words * len(words) and different < 20:
        why = f"{different} different words in {len(words)}"
    elif len(words) >= 6 and words[: len(words) // 2] == words[len(words) // 2 :]:
        why = "the same half twice"
    return Objection("repetition", why) if why else None


def _words(instruction: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(instruction)]


def dangling(instruction: str, text: str, limits: Limits) -> Objection | None:
    match = _DANGLING.search(instruction)
    return Objection("cut off", f"it ends in {match[0].strip()!r}") if match else None


def answer(instruction: str, text: str, limits: Limits) -> Objection | None:
    match = _ANSWER.match(instruction.lstrip("\"' \n"))
    if match is None:
        return None
    return Objection("an answer, not an instruction", f"it begins {match[0].strip()!r}")


def copy(instruction: str, text: str, limits: Limits) -> Objection | None:
    """The text itself: a model trained on it would learn to echo.

    A good answer takes up the words of its question ("A synapse notebook is …"), so that a short
    instruction must stand in the text from end to end to be a copy, and a longer one nearly so.
    """
    pairs = {s for s in shingles(instruction) if " " in s}
    both = len(pairs & shingles(text))
    most = limits.max_copied if len(pairs) > 7 else 0.99
    if len(pairs) >= 3 and both > most * len(pairs):
        return Objection("a copy", f"{both} of its {len(pairs)} word pairs stand in the text")
    return None


RULES: tuple[Rule, ...] = (
    empty, control, leftover, short, long, gibberish, repetition, answer, dangling, copy,
)  # fmt: skip


def find_objection(instruction: str, text: str, limits: Limits | None = None) -> Objection | None:
    """The first objection to an instruction for this text, or None."""
    limits = limits or Limits()
    return next((o for rule in RULES if (o := rule(instruction, text, limits))), None)
