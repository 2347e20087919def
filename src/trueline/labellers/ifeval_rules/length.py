"""Rules about length: words, sentences, paragraphs."""

from __future__ import annotations

import re

from trueline.labellers.ifeval_rules.needs import Needs, Unfit, exactly, number, related, word
from trueline.labellers.ifeval_rules.sentences import sentences

_WORD = re.compile(r"\w+")
_DIVIDER = re.compile(r"\*[ \t]?\*[ \t]?\*")
_OPENING = " \t\"'“”‘’«([{"


def number_words(text: str, needs: Needs) -> str | None:
    """So many words; a word is a run of letters, digits and underscores, so that "don't" is two."""
    found = sum(1 for _ in _WORD.finditer(text))
    return related(found, needs, "relation", "num_words", "words")


def number_sentences(text: str, needs: Needs) -> str | None:
    """So many sentences, by the rule of `sentences`."""
    return related(sentences(text), needs, "relation", "num_sentences", "sentences")


def number_paragraphs(text: str, needs: Needs) -> str | None:
    """Exactly so many paragraphs between Markdown dividers: `***` or `* * *`, alone in a line.

    A divider may open and close the response; two dividers with nothing between them are wrong.
    """
    parts: list[list[str]] = [[]]
    for line in text.split("\n"):
        if _DIVIDER.fullmatch(line.strip()):
            parts.append([])
        elif line.strip():
            parts[-1].append(line)
    if not all(parts[1:-1]):
        return "a paragraph is empty"
    found = sum(bool(part) for part in parts)
    return exactly(found, number(needs, "num_paragraphs"), "paragraphs")


def nth_paragraph_first_word(text: str, needs: Needs) -> str | None:
    """Exactly so many paragraphs between blank lines, and the nth begins with the word.

    Case does not count, nor do quotation marks and brackets before the word.
    """
    wanted, nth = number(needs, "num_paragraphs"), number(needs, "nth_paragraph")
    if not 1 <= nth <= wanted:
        raise Unfit(f"nth_paragraph is {nth} of {wanted}")
    first = word(needs, "first_word")
    found = paragraphs(text)
    if len(found) != wanted:
        return exactly(len(found), wanted, "paragraphs")
    start = found[nth - 1].lstrip(_OPENING)
    rest = start[len(first) :]
    same = start[: len(first)].lower() == first.lower()
    if same and not re.match(r"\w|['’-]\w", rest):
        return None
    begins = start.split(maxsplit=1)[:1]
    return f"paragraph {nth} begins with {''.join(begins)!r:.40}, not {first!r:.40}"


def paragraphs(text: str) -> list[str]:
    """What stands between blank lines."""
    found: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(lines) for lines in found if lines]
