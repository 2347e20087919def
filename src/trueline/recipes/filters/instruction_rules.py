"""Rules that an induced instruction must pass: each returns the reason against it, or None.

They find what is not an instruction at all (empty, cut off, gibberish, an answer, a copy of the
text); whether a good instruction suits a domain is a labeller's question, not a rule's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from trueline.recipes.filters.near_duplicates import shingles

Rule = Callable[[str, str], str | None]  # (instruction, the text it was induced from)

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


def empty(instruction: str, text: str) -> str | None:
    return None if _WORD.search(instruction) else "empty: no word in it"


def short(instruction: str, text: str) -> str | None:
    count = len(_WORD.findall(instruction))
    cjk = any(unicodedata.east_asian_width(c) in "WF" for c in instruction)
    return f"too short: {count} words" if count < 3 and not cjk else None


def long(instruction: str, text: str) -> str | None:
    count = len(_WORD.findall(instruction))
    return f"too long: {count} words" if count > 250 else None


def leftover(instruction: str, text: str) -> str | None:
    found = _LEFTOVER.search(instruction)
    return f"template left over: {found[0]!r}" if found else None


def control(instruction: str, text: str) -> str | None:
    bad = {c for c in instruction if unicodedata.category(c) in ("Cc", "Co", "Cn")} - set("\n\t\r")
    return f"control characters: {sorted(map(ascii, bad))}" if bad or "�" in instruction else None


def gibberish(instruction: str, text: str) -> str | None:
    """Letters that make no words, or the same words over and over."""
    visible = [c for c in instruction if not c.isspace()]
    letters = sum(c.isalnum() or unicodedata.category(c).startswith("M") for c in visible)
    if letters < 0.6 * len(visible):
        return f"gibberish: {letters} letters in {len(visible)} characters"
    if found := _BAD_RUN.search(instruction):
        return f"gibberish: {found[0][:12]!r}"
    words = [w.casefold() for w in _WORD.findall(instruction)]
    long_words = [w for w in words if len(w) > 40]
    if long_words:
        return "gibberish: a word of over 40 letters"
    latin = [w for w in words if w.isascii() and w.isalpha() and len(w) > 3]
    mute = [w for w in latin if not set(w) & set("aeiouy")]
    if len(latin) >= 3 and len(mute) > 0.3 * len(latin):
        return f"gibberish: {len(mute)} of {len(latin)} words without a vowel"
    if len(words) >= 6 and sum(len(w) == 1 and w.isascii() for w in words) > 0.6 * len(words):
        return "gibberish: mostly single letters"
    if sum(len(w) >= 4 and any(w in row for row in _KEYS) for w in words) >= 2:
        return "gibberish: neighbouring keys"
    if any(a == b == c for a, b, c in zip(words, words[1:], words[2:], strict=False)):
        return "repetition: one word three times running"
    if len(words) >= 8 and len(set(words)) < 0.5 * len(words) and len(set(words)) < 20:
        return f"repetition: {len(set(words))} different words in {len(words)}"
    if len(words) >= 6 and words[: len(words) // 2] == words[len(words) // 2 :]:
        return "repetition: the same half twice"
    return None


def dangling(instruction: str, text: str) -> str | None:
    found = _DANGLING.search(instruction)
    return f"cut off: it ends in {found[0].strip()!r}" if found else None


def answer(instruction: str, text: str) -> str | None:
    found = _ANSWER.match(instruction.lstrip("\"' \n"))
    return f"an answer, not an instruction: it begins {found[0].strip()!r}" if found else None


def copy(instruction: str, text: str) -> str | None:
    """The text itself: a model trained on it would learn to echo.

    A good answer takes up the words of its question ("A synapse notebook is …"), so that a short
    instruction must stand in the text from end to end to be a copy, and a longer one nearly so.
    """
    pairs = {s for s in shingles(instruction) if " " in s}
    both = len(pairs & shingles(text))
    if len(pairs) >= 3 and both > (0.8 if len(pairs) > 7 else 0.99) * len(pairs):
        return f"a copy: {both} of its {len(pairs)} word pairs stand in the text"
    return None


RULES: tuple[Rule, ...] = (
    empty, control, leftover, short, long, gibberish, answer, dangling, copy,
)  # fmt: skip


def against(instruction: str, text: str) -> str | None:
    """The first reason against an instruction for this text, or None."""
    return next((r for rule in RULES if (r := rule(instruction, text))), None)
