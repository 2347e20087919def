"""Rules about words and letters: which there are, how many, and none of them a comma."""

from __future__ import annotations

import re

from trueline.labellers.ifeval_rules.needs import Needs, Unfit, related, several, word

COMMAS = ",，、،"
"""The comma of the Latin, Chinese, Japanese and Arabic scripts."""


def existence(text: str, needs: Needs) -> str | None:
    """Every keyword occurs, in either case; as part of a longer word too ("sing" in "singer")."""
    low = text.lower()
    lacking = [each for each in several(needs, "keywords") if each.lower() not in low]
    return f"without {_listed(lacking)}" if lacking else None


def frequency(text: str, needs: Needs) -> str | None:
    """The keyword occurs so often, in either case; parts of longer words count."""
    keyword = word(needs, "keyword")
    found = text.lower().count(keyword.lower())
    return related(found, needs, "relation", "frequency", f"{keyword!r:.40}")


def forbidden(text: str, needs: Needs) -> str | None:
    """None of the words occurs as a word of its own, in either case."""
    used = [w for w in several(needs, "forbidden_words") if _whole(w).search(text)]
    return f"with {_listed(used)}" if used else None


def letter_frequency(text: str, needs: Needs) -> str | None:
    """The letter (or sign) occurs so often, in either case."""
    letter = word(needs, "letter")
    if len(letter) != 1:
        raise Unfit(f"letter is {letter!r:.40}, not one letter")
    found = text.lower().count(letter.lower())
    return related(found, needs, "let_relation", "let_frequency", f"{letter!r}")


def capital_word_frequency(text: str, needs: Needs) -> str | None:
    """So many words are all capitals.

    A word is what stands between spaces and has a letter: "U.S.", "I'M" and "WELL-KNOWN" are one
    each, and so are "I" and "A".
    """
    found = sum(each.isupper() for each in text.split())
    what = "words in capitals"
    return related(found, needs, "capital_relation", "capital_frequency", what)


def no_comma(text: str, needs: Needs) -> str | None:
    """There is no comma in the whole response, not even in a number."""
    found = sum(text.count(comma) for comma in COMMAS)
    return f"commas: {found}" if found else None


def _whole(each: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(each)}(?!\w)", re.IGNORECASE)


def _listed(names: list[str]) -> str:
    return ", ".join(f"{name!r:.40}" for name in names[:3]) + (" …" if len(names) > 3 else "")
