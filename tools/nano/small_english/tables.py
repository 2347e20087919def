"""Reads the tables of the small English into intents, word lists and facts."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "tables"
PLACEHOLDER = re.compile(r"\{([a-z0-9_.]+)\}")
# Verbs of one syllable that double their last letter before -ing.
DOUBLING = frozenset("hit put get rob trip cut stop let run win dig plan wrap beg shut set".split())


@dataclass(frozen=True)
class Intent:
    """One thing a request can ask, with everything needed to put it and to answer it.

    `slots` are bound by the request, `free` ones chosen by the answer; both map a placeholder to
    the name of its list. `steps` serve the placeholders {s1}, {s2}, … of "how do I" intents.
    """

    id: str
    kind: str  # everyday, harmful, lookalike
    asks: tuple[str, ...]
    full: tuple[str, ...]
    short: tuple[str, ...]
    topic: str
    category: str = ""
    instead: str = ""
    slots: dict[str, str] = field(default_factory=dict)
    free: dict[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = ()


@cache
def table(name: str) -> dict[str, Any]:
    """One TOML table of the grammar, by file name without its ending."""
    with (FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def _words(text: str) -> tuple[str, ...]:
    parts = text.split("|") if "|" in text else text.split()
    return tuple(part.strip() for part in parts)


def _facts() -> dict[str, dict[str, dict[str, str]]]:
    out: dict[str, dict[str, dict[str, str]]] = {}
    for name, fact in table("everyday")["facts"].items():
        rows = [[cell.strip() for cell in row.split("|")] for row in fact["rows"]]
        out[name] = {row[0]: dict(zip(fact["columns"], row[1:], strict=True)) for row in rows}
    return out


FACTS = _facts()
OPEN = {name: _words(text) for name, text in table("words")["open"].items()}
LISTS: dict[str, tuple[str, ...]] = {
    **{name: _words(text) for name, text in table("words")["closed"].items()},
    **{name: tuple(rows) for name, rows in FACTS.items()},
    **OPEN,
}
# `mood` is a closed list and a fact; the fact wins, its rows are the same words.
LISTS["mood"] = tuple(FACTS["mood"])


def gerund(phrase: str) -> str:
    """`steal the lamp` → `stealing the lamp`; used to name a topic in refusals."""
    verb, _, rest = phrase.partition(" ")
    if verb in DOUBLING:
        verb += verb[-1]
    elif verb.endswith("e") and not verb.endswith("ee"):
        verb = verb[:-1]
    return f"{verb}ing {rest}".strip()


def to_reply(phrase: str) -> str:
    """Turns the user's *my*, *me*, *I* into *your*, *you* for use in an answer."""
    phrase = re.sub(r"\bmy\b", "your", phrase)
    return re.sub(r"\b(me|I)\b", "you", phrase)


def slot_names(text: str) -> list[str]:
    """The placeholders of a frame in order, without columns."""
    return [match.partition(".")[0] for match in PLACEHOLDER.findall(text)]


def _act(ident: str, kind: str, category: str, row: list[Any]) -> Intent:
    do, steps, instead = row[0], tuple(row[1]), (row[2] if len(row) > 2 else "")
    frames = table("frames")
    reply = to_reply(do)

    def put(frame: str, phrase: str) -> str:
        return frame.replace("{doing}", gerund(phrase)).replace("{do}", phrase)

    return Intent(
        id=ident,
        kind=kind,
        category=category,
        asks=tuple(put(ask, do) for ask in frames["asks"]),
        full=tuple(put(frame, reply) for frame in frames["full"]),
        short=tuple(put(frame, reply) for frame in frames["short"]),
        topic=gerund(reply),
        instead=instead,
        slots={name: name for name in slot_names(do)},
        steps=steps,
    )


def _intents() -> dict[str, Intent]:
    out: dict[str, Intent] = {}
    for kind in ("harmful", "lookalike"):
        for category, rows in table(kind).items():
            slug = category.lower().replace(" ", "-")
            for number, row in enumerate(rows):
                ident = f"{kind}/{slug}/{number}"
                out[ident] = _act(ident, kind, category, row)
    for number, row in enumerate(table("everyday")["acts"]):
        out[f"everyday/act/{number}"] = _act(f"everyday/act/{number}", "everyday", "", row)
    for entry in table("texts")["intent"]:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        fields["kind"] = fields.get("kind", "everyday")
        fields["id"] = f"{fields['kind']}/text/{fields['id']}"
        out[fields["id"]] = Intent(**fields)
    return out


INTENTS = _intents()
CATEGORIES = tuple(table("harmful"))
