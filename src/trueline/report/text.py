"""Texts and numbers as the page shows them.

What comes from outside (names, tags, texts) is escaped here or by the templates, which escape all
that is not Markup; characters that act rather than show stand as visible escapes.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from markupsafe import Markup, escape

from trueline.evaluate.results import Metric
from trueline.files.text import ACTING, escape_character
from trueline.statistics.intervals import Interval

NAME = 400
"""Characters of a name or reason that are shown."""

UNKNOWN = "unknown"
_joiners = "\u200c\u200d"  # Persian, Hindi and emoji are written with them; they move nothing


def shown(text: object, most: int = NAME) -> Markup:
    """A name or a sentence in one line, kept apart from the direction of what stands around it."""
    flat = re.sub(r"\s*[\r\n]+\s*", " ", str(text))
    cut = f" … [{len(flat):,} characters]" if len(flat) > most else ""
    return Markup("<bdi>") + visible(flat[:most]) + Markup("</bdi>") + cut


def visible(text: str, kept: str = "") -> Markup:
    """The text, escaped; characters that act (escapes, changes of direction) can be seen."""
    parts = []
    for acts, run in groupby(text, key=lambda c: c not in kept and _acts(c)):
        if acts:
            parts.append(Markup("<i>") + "".join(map(escape_character, run)) + Markup("</i>"))
        else:
            parts.append(escape("".join(run)))
    return Markup("").join(parts)


def _acts(c: str) -> bool:
    return c not in _joiners and unicodedata.category(c) in ACTING


def bare(text: object, most: int = NAME) -> str:
    """The same without markup, for where only plain text can stand (an attribute, a title)."""
    flat = re.sub(r"\s*[\r\n]+\s*", " ", str(text))[:most]
    return "".join(escape_character(c) if _acts(c) else c for c in flat)


def passage(text: str, most: int) -> Markup:
    """The beginning of a text of many lines; the template says where it was cut."""
    return visible(re.sub(r"\r\n?", "\n", text[:most]), kept="\n\t")


def named(metric: Metric) -> str:
    """A metric for people: what counts, and who says so."""
    words = {True: "yes", False: "no"}
    given = " or ".join(str(words[v] if isinstance(v, bool) else v) for v in metric.accepted)
    return f"{metric.question}{f' = {given}' if given else ''}, by {metric.name}"


def words(line: str) -> Markup:
    """A command line whose words are not torn apart where it breaks."""
    return Markup(" ").join(
        Markup('<span class="word">{}</span>').format(visible(word)) for word in line.split(" ")
    )


# ---- numbers ---------------------------------------------------------------------------------


def is_share(metric: Metric) -> bool:
    """Whether the metric lies in [0, 1] and is shown in per cent."""
    return (metric.low, metric.high) == (0.0, 1.0)


def number(value: float | None, metric: Metric) -> str:
    """A value of the metric: in per cent, or to three decimals."""
    if value is None:
        return UNKNOWN
    return f"{100 * value:.1f} %" if is_share(metric) else signed(f"{value:.3f}")


def limits(found: Interval, metric: Metric, sign: str = "") -> str:
    """The limits of an interval, or why there are none."""
    if (ends := found.limits) is None:
        return f"no interval: {found.note or 'the data give none'}"
    factor, digits = (100, 1) if is_share(metric) else (1, 3)
    low, high = (signed(f"{factor * v:{sign}.{digits}f}") for v in ends)
    level = "" if found.level == 0.95 else f", {100 * found.level:g} % interval"
    return f"{low} to {high}{level}{f'; {found.note}' if found.note else ''}"


def change(value: float | None, metric: Metric) -> str:
    """A difference, with its sign: in percentage points, or to three decimals."""
    if value is None:
        return UNKNOWN
    if is_share(metric):
        return signed(f"{100 * value:+.1f}") + " points"
    return signed(f"{value:+.3f}")


def gain(found: Interval, metric: Metric) -> str:
    """A gain with its limits."""
    return f"{change(found.estimate, metric)} ({limits(found, metric, '+')})"


def span(least: float | None, most: float | None, metric: Metric, sign: str = "") -> str:
    """From the worst case to the best."""
    if least is None or most is None:
        return UNKNOWN
    factor, digits = (100, 1) if is_share(metric) else (1, 3)
    low, high = (signed(f"{factor * v:{sign}.{digits}f}") for v in (least, most))
    return f"{low} to {high}"


def tick(value: float, sign: str = "") -> str:
    """A share on an axis, in per cent."""
    return signed(f"{100 * value:{sign}.6g}")


def percent(value: float | None) -> str:
    """A share in per cent."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def logged(value: float) -> str:
    """A number of a training log."""
    return signed(f"{value:.4g}")


def signed(text: str) -> str:
    """A number with a true minus sign, and no sign where nothing but zeros is left of it."""
    return text.replace("-", "−") if text.strip("+-0.") else text.lstrip("+-")


def part(value: float | None) -> str:
    """A share of items, rounded down: what is not complete is never shown as complete."""
    if value is None:
        return UNKNOWN
    return f"{int(value * 1000 + 1e-9) / 10:.1f} %"


def probability(value: float | None) -> str:
    """A p or q value."""
    if value is None:
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 600:
        return f"{seconds:,.1f} s"
    return f"{seconds / 3600:,.1f} h" if seconds >= 36000 else f"{seconds / 60:,.1f} min"
