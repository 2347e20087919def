"""Rules about form: bullets, highlights, sections, titles, JSON, fixed phrases."""

from __future__ import annotations

import json
import re

from trueline.labellers.ifeval_rules.needs import Needs, at_least, exactly, number, word

PHRASES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
"""What `constrained_response` has to choose from; the data never name others."""

_BULLET = re.compile(r"[*+-][ \t]++(?![*-][ \t*-]*\Z)\S")
_HIGHLIGHT = re.compile(r"\*\*(?=\S)[^*\n]++(?<=\S)\*\*|\*(?=\S)[^*\n]++(?<=\S)\*")
_TITLE = re.compile(r"<<([^<>\n]*+)>>")
_FENCE = re.compile(r"```[ \t]*(?:json)?[ \t]*\n?", re.IGNORECASE)


def number_bullet_lists(text: str, needs: Needs) -> str | None:
    """Exactly so many Markdown bullets: lines that begin with `*`, `-` or `+` and a space.

    Indented ones count; `* * *` is a divider, `*word*` emphasis.
    """
    found = sum(1 for line in text.split("\n") if _BULLET.match(line.strip()))
    return exactly(found, number(needs, "num_bullets"), "bullets")


def constrained_response(text: str, needs: Needs) -> str | None:
    """Exactly one of the PHRASES occurs, as it is written."""
    found = [phrase for phrase in PHRASES if phrase in text]
    if len(found) == 1:
        return None
    return f"phrases: {len(found)}, not 1"


def number_highlighted_sections(text: str, needs: Needs) -> str | None:
    """At least so many parts within a line are in Markdown's asterisks, one or two."""
    found = sum(1 for _ in _HIGHLIGHT.finditer(text))
    return at_least(found, number(needs, "num_highlights"), "highlights")


def multiple_sections(text: str, needs: Needs) -> str | None:
    """At least so many sections are marked: the word and a number, as it is written.

    Each number counts once, so that "see Section 1" is no further section.  IFEval asks for "at
    least two" and for "four" by the same need, which cannot tell them apart.
    """
    splitter = re.escape(word(needs, "section_spliter"))
    marks = re.finditer(rf"(?<!\w){splitter}[ \t]?([0-9]+|[IVX]+)(?!\w)", text)
    found = len({mark[1] for mark in marks})
    return at_least(found, number(needs, "num_sections"), "sections")


def title(text: str, needs: Needs) -> str | None:
    """Something within a line is in double angular brackets."""
    titled = any(found[1].strip() for found in _TITLE.finditer(text))
    return None if titled else "no title in <<>>"


def json_format(text: str, needs: Needs) -> str | None:
    """The whole response is JSON, perhaps within a Markdown fence."""
    said = text.strip()
    if opening := _FENCE.match(said):
        said = said[opening.end() :].removesuffix("```")
    try:
        json.loads(said, parse_constant=_no_constant, parse_int=str)  # however many digits
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error!s:.60}"
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
