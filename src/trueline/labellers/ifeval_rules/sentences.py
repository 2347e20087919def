"""How many sentences a text has, by a rule that can be stated: no model, no language data.

A sentence ends at a run of `.`, `!`, `?` or `…` (closing quotation marks, brackets and emphasis
belong to it) where a space or the text's end follows, except where

- a single `.` follows an abbreviation of the lists below, one letter alone ("J. Smith"), letters
  with stops between them ("U.S.", "e.g."), or a number or letter that opens a line ("1. First"):
  the number of a list is no sentence, though NLTK's punkt counts it as one;
- the next word begins with a small letter, unless a line ends between.

In Chinese, Japanese and Hindi it ends at the full stops of those scripts, with or without a space.
What is left behind the last end counts as one more where it has a letter or digit; line ends by
themselves end nothing, so that a list without stops is one sentence.
"""

from __future__ import annotations

import re

ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof sr jr st mt rev hon messrs capt sgt lt col gov sen vs approx dept univ est "
    "inc ltd co corp cf al".split()
)
BEFORE_NUMBERS = frozenset(
    "no nos fig figs ch sec vol p pp art eq jan feb apr jun jul aug sept oct nov dec".split()
)
"""Short for something where a number follows only: "no" and "fig" are words too."""

_END = re.compile(
    r"(?<![.!?…])(?P<stop>[.!?…]++)(?P<close>[\"'”’»)\]}*_]*+)(?=\s|\Z)|(?P<other>[。！？｡।॥]++)"
)
_BEFORE = re.compile(r"[^\W_][\w.]*\Z")
_WINDOW = 40
"""How far a word is looked for before a stop."""


def sentences(text: str) -> int:
    """The number of sentences."""
    count = start = 0
    for end in _END.finditer(text):
        if end["other"] is None and not _ends(text, end):
            continue
        count += _said(text[start : end.start()])
        start = end.end()
    return count + _said(text[start:])


def _ends(text: str, end: re.Match[str]) -> bool:
    after = text[end.end() : end.end() + _WINDOW]
    follows = after.lstrip()
    if follows[:1].islower() and "\n" not in after[: len(after) - len(follows)]:
        return False
    if end["stop"] != ".":
        return True
    before = text[max(0, end.start() - _WINDOW) : end.start()]
    found = _BEFORE.search(before)
    if found is None or end["close"]:
        return True
    name = found[0]
    if not follows:  # nothing follows that it could be short for
        return True
    opens = before[: found.start()].rpartition("\n")[2].strip(" \t*_#>(-") == ""
    at_line = opens and ("\n" in before[: found.start()] or end.start() - len(name) < _WINDOW)
    if at_line and (name.isdigit() or len(name) == 1):
        return False
    if name.lower() in BEFORE_NUMBERS and follows[0].isdigit():
        return False
    if name.lower() in ABBREVIATIONS or re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", name):
        return False
    return not (len(name) == 1 and name.isupper() and name != "I")


def _said(part: str) -> bool:
    return re.search(r"[^\W_]", part) is not None
