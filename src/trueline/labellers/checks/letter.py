"""Whether a response to a multiple-choice question, in words, settles on the right letter.

Letters stand for the options in their order.  The first of these that is there decides:

1. the whole response is an option's text;
2. the last "the answer is …" ("Answer: …", "I choose …", `\\boxed{…}`), of a letter or of an
   option's text;
3. lines that open with a letter: "B", "(B)", "B. Porto";
4. letters in brackets or bold, anywhere;
5. capital letters alone, anywhere, that are no English words ("A dog", "I think").

Where it names several letters, the response is ambiguous, and the answer no.
"""

from __future__ import annotations

import re
from string import ascii_uppercase

from trueline.labellers.answer import Answer
from trueline.labellers.checks import no, wrong_task
from trueline.records.types import Choice, Task

QUESTION = "correct"
VERSION = 1

_OPEN, _CLOSE = r"[*_\"'`($\[{]{0,4}", r"[*_\"'`)$\]}]{0,4}"
_DECLARED = re.compile(
    r"(?:\b(?:answer|choice|option)\b[^\n.:]{0,40}?\b(?:is|be)\b:?"
    r"|\banswer\b[*_\"]{0,3}[ \t]?[:=]"
    r"|\b(?:choose|pick|select|go[ ]with)\b"
    r"|\\boxed\{(?:\\text\{)?)"
    r"[*_]{0,3}[ \t\n]{0,3}(?:(?:the[ ])?(?:option|choice|letter|answer)[ ])?",
    re.IGNORECASE,
)
_LETTER = re.compile(rf"(?P<open>{_OPEN})(?P<letter>[A-Za-z])(?![\w'’])(?P<close>{_CLOSE})")
_EITHER = re.compile(rf"[ \t]?(?:/|&|\bor\b)[ \t]?(?:{_OPEN})([A-Z])(?!\w)")
_BOTH = re.compile(
    rf"(?:,[ \t]?{_OPEN}[A-Z]{_CLOSE}){{0,9}}(?:,|,?[ \t]and\b)[ \t]?{_OPEN}([A-Z]){_CLOSE}"
    r"(?=[ \t]*(?:[.;!?\n]|are\b|\Z))"
)
_OPENS = re.compile(
    rf"{_OPEN}([A-Za-z])(?:[.):]{_CLOSE}|[)\]}}*_]{{1,4}}[.:]?)?"
    r"(?:\Z|(?<=[^A-Za-z])(?=\s)(?![ \t]+(?:is|was|isn|can|cannot|would|and|or)\b))"
)
_MARKED = re.compile(r"\(([A-Za-z])\)|\*\*\(?([A-Za-z])[.):]?\*\*")
_ALONE = re.compile(r"(?<![\w'’.-])([A-Z])(?![\w'’-])")
_WORD_AFTER = re.compile(r"[ \t]+(?!(?:because|since|as|is|and|or|but|for|seems)\b)[a-z]")
_SIGNS = " \t\r\n.*_\"'`"


def check(task: Task, text: str) -> Answer:
    """Yes where the response settles on the gold option's letter."""
    if not isinstance(task, Choice):
        return wrong_task(task, "Choice")
    if len(task.options) > len(ascii_uppercase):
        return Answer(unscored=f"the task has {len(task.options)} options, more than letters")
    if not 0 <= task.gold < len(task.options):
        return Answer(unscored=f"the task's gold option {task.gold} is not among its options")
    if not text.strip():
        return no("the response is empty")
    found = find_letters(text, task.options)
    if not found:
        return no("the response settles on no letter")
    if len(found) > 1:
        return no(f"the response is ambiguous: {', '.join(sorted(found))}")
    [letter] = found
    return Answer(True) if letter == ascii_uppercase[task.gold] else no(f"it settles on {letter}")


def find_letters(text: str, options: tuple[str, ...]) -> set[str]:
    """The letters that the response settles on: one, several, or none."""
    letters = ascii_uppercase[: len(options)]
    texts = dict(zip(letters, map(_alike, options), strict=True))
    whole = _alike(text)
    same = {letter for letter in letters if texts[letter] == whole}
    if same and not (len(whole) == 1 and whole.upper() in letters):
        return same
    for step in (_declared(text, letters, texts), _opening(text, letters)):
        if step:
            return step
    marked = {(m[1] or m[2]).upper() for m in _MARKED.finditer(text)} & set(letters)
    return marked or {m[1] for m in _ALONE.finditer(text) if _alone(text, m)} & set(letters)


def _declared(text: str, letters: str, texts: dict[str, str]) -> set[str]:
    found: set[str] = set()
    for lead in _DECLARED.finditer(text):
        at = lead.end()
        mark = _LETTER.match(text, at)
        if mark and mark["letter"].upper() in letters and _meant(text, mark):
            found = {mark["letter"].upper()}
            also = _EITHER.match(text, mark.end()) or _BOTH.match(text, mark.end())
            found |= {also[1]} & set(letters) if also else set()
        elif named := _named(text, at, texts):
            found = named
    return found


def _meant(text: str, mark: re.Match[str]) -> bool:
    """Whether a letter is a letter: a small one has to be marked, "A dog" is an article."""
    if mark["letter"].islower():
        return any(sign in mark["close"] for sign in ")]}*") and bool(mark["open"])
    return bool(mark["close"]) or _alone(text, mark)


def _alone(text: str, mark: re.Match[str]) -> bool:
    return mark[0].strip("*_\"'`($[{") not in ("A", "I") or not _WORD_AFTER.match(text, mark.end())


def _named(text: str, at: int, texts: dict[str, str]) -> set[str]:
    """The option whose text stands there; the longest, where one begins another."""
    longest = max(map(len, texts.values()), default=0)
    said = _alike(text[at : at + 2 * longest + 20].lstrip(_SIGNS))
    fits = [
        letter
        for letter, option in texts.items()
        if option and said.startswith(option) and not said[len(option) : len(option) + 1].isalnum()
    ]
    size = max((len(texts[letter]) for letter in fits), default=0)
    return {letter for letter in fits if len(texts[letter]) == size}


def _opening(text: str, letters: str) -> set[str]:
    found = (_OPENS.match(line.strip()) for line in text.split("\n"))
    return {m[1].upper() for m in found if m} & set(letters)


def _alike(text: str) -> str:
    return " ".join(text.casefold().split()).strip(_SIGNS)
