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


def preview(text: object, limit: int = NAME) -> Markup:
    """A name or a sentence in one line, kept apart from the direction of what stands around it."""
    flat = re.sub(r"\s*[\r\n]+\s*", " ", str(text))
    cut = f" … [{len(flat):,} characters]" if len(flat) > limit else ""
    return Markup("<bdi>") + escape_visibly(flat[:limit]) + Markup("</bdi>") + cut


def escape_visibly(text: str, kept: str = "") -> Markup:
    """The text, escaped; characters that act (escapes, changes of direction) can be seen."""
    parts = []
    for acts, run in groupby(text, key=lambda c: c not in kept and _is_acting(c)):
        if acts:
            parts.append(Markup("<i>") + "".join(map(escape_character, run)) + Markup("</i>"))
        else:
            parts.append(escape("".join(run)))
    return Markup("").join(parts)


def _is_acting(c: str) -> bool:
    return c not in _joiners and unicodedata.category(c) in ACTING


def plain_preview(text: object, limit: int = NAME) -> str:
    """The same without markup, for places that take plain text only (an attribute, a title)."""
    flat = re.sub(r"\s*[\r\n]+\s*", " ", str(text))[:limit]
    return "".join(escape_character(c) if _is_acting(c) else c for c in flat)


def preview_lines(text: str, limit: int) -> Markup:
    """The first characters of a text of many lines; the template says that it was cut."""
    return escape_visibly(re.sub(r"\r\n?", "\n", text[:limit]), kept="\n\t")


def wrap_words(line: str) -> Markup:
    """A command line whose words are not torn apart where it breaks."""
    return Markup(" ").join(
        Markup('<span class="word">{}</span>').format(escape_visibly(word))
        for word in line.split(" ")
    )


# ---- numbers ---------------------------------------------------------------------------------


def format_number(value: float | None, metric: Metric) -> str:
    """A value of the metric: in per cent, or to three decimals."""
    if value is None:
        return UNKNOWN
    return f"{100 * value:.1f} %" if metric.is_share else format_sign(f"{value:.3f}")


def format_limits(interval: Interval, metric: Metric, sign: str = "") -> str:
    """The limits of an interval, or why there are none."""
    if (ends := interval.limits) is None:
        return f"no interval: {interval.note or 'the data give none'}"
    factor, digits = (100, 1) if metric.is_share else (1, 3)
    low, high = (format_sign(f"{factor * v:{sign}.{digits}f}") for v in ends)
    level = "" if interval.level == 0.95 else f", {100 * interval.level:g} % interval"
    return f"{low} to {high}{level}{f'; {interval.note}' if interval.note else ''}"


def format_change(value: float | None, metric: Metric) -> str:
    """A difference, with its sign: in percentage points, or to three decimals."""
    if value is None:
        return UNKNOWN
    if metric.is_share:
        return format_sign(f"{100 * value:+.1f}") + " points"
    return format_sign(f"{value:+.3f}")


def format_gain(interval: Interval, metric: Metric) -> str:
    """A gain with its limits."""
    return f"{format_change(interval.estimate, metric)} ({format_limits(interval, metric, '+')})"


def format_range(least: float | None, most: float | None, metric: Metric, sign: str = "") -> str:
    """From the worst case to the best."""
    if least is None or most is None:
        return UNKNOWN
    factor, digits = (100, 1) if metric.is_share else (1, 3)
    low, high = (format_sign(f"{factor * v:{sign}.{digits}f}") for v in (least, most))
    return f"{low} to {high}"


def format_tick(value: float, sign: str = "") -> str:
    """A share on an axis, in per cent."""
    return format_sign(f"{100 * value:{sign}.6g}")


def format_percent(value: float | None) -> str:
    """A share in per cent."""
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def format_logged(value: float) -> str:
    """A number of a training log."""
    return format_sign(f"{value:.4g}")


def format_sign(text: str) -> str:
    """A number with a true minus sign, and no sign where nothing but zeros is left of it."""
    return text.replace("-", "−") if text.strip("+-0.") else text.lstrip("+-")


def format_coverage(value: float | None) -> str:
    """A share of items, rounded down: what is not complete is never shown as complete."""
    if value is None:
        return UNKNOWN
    return f"{int(value * 1000 + 1e-9) / 10:.1f} %"


def format_probability(value: float | None) -> str:
    """A p or q value."""
    if value is None:
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def format_duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 600:
        return f"{seconds:,.1f} s"
    return f"{seconds / 3600:,.1f} h" if seconds >= 36000 else f"{seconds / 60:,.1f} min"


def format_mean(mean: Interval) -> str:
    """A group's mean with its limits, in per cent of a metric's range."""
    ends = mean.limits
    limits = f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}" if ends else "no interval"
    return f"{format_percent(mean.estimate)} ({limits})"
