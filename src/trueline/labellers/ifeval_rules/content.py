"""Rules about what a response holds, repeats, and begins and ends with."""

from __future__ import annotations

import re

from trueline.labellers.ifeval_rules.needs import Needs, at_least, exactly, number, word

_PLACEHOLDER = re.compile(r"\[([^\[\]\n]*+)\]")
_MARKUP = " \t*_#>~`\"'“”‘’(["
_APART = re.compile(r"(?<!\*)\*{6}(?!\*)")
_QUOTES = {'"': '"', "“": "”", "”": "”", "„": "“”", "«": "»", "「": "」"}


def number_placeholders(text: str, needs: Needs) -> str | None:
    """At least so many placeholders in square brackets, each with something in it."""
    found = sum(bool(each[1].strip()) for each in _PLACEHOLDER.finditer(text))
    return at_least(found, number(needs, "num_placeholders"), "placeholders")


def postscript(text: str, needs: Needs) -> str | None:
    """A line begins with the marker, in either case, spaces between its letters or not.

    Marks of Markdown and opening quotation marks may stand before it.
    """
    marker = "".join(word(needs, "postscript_marker").lower().split())
    for line in text.split("\n"):
        start = line.lstrip(_MARKUP)[: 3 * len(marker)]
        if "".join(start.lower().split()).startswith(marker):
            return None
    return f"no line begins with {marker.upper()!r:.40}"


def two_responses(text: str, needs: Needs) -> str | None:
    """Two different responses with six asterisks between them (and perhaps around them)."""
    parts = [part.strip() for part in _APART.split(text)]
    if not all(parts[1:-1]):
        return "a response is empty"
    said = [part for part in parts if part]
    if len(said) != 2:
        return exactly(len(said), 2, "responses")
    return "the two responses are the same" if said[0] == said[1] else None


def repeat_prompt(text: str, needs: Needs) -> str | None:
    """The response begins with the request; case and the kind of white space do not count."""
    wanted = " ".join(word(needs, "prompt_to_repeat").lower().split())
    said = " ".join(text.lower().split())
    return None if said.startswith(wanted) else "it does not begin with the request"


def end_checker(text: str, needs: Needs) -> str | None:
    """The response ends with the phrase; case and closing quotation marks do not count."""
    phrase = word(needs, "end_phrase")
    end = text.rstrip(" \t\r\n\"'”’»")
    wanted = phrase.rstrip("\"'”’»")
    return None if end.lower().endswith(wanted.lower()) else f"it does not end with {phrase!r:.60}"


def quotation(text: str, needs: Needs) -> str | None:
    """The whole response is in double quotation marks, straight or of any language's kind."""
    said = text.strip()
    closing = _QUOTES.get(said[:1], "")
    if len(said) > 2 and said[-1] in closing:
        return None
    return "it is not in double quotation marks"
