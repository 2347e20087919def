"""Reads the tables and fills their templates: (a|b) picks one, {slot} is a word of the topic."""

from __future__ import annotations

import random
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

TABLES = Path(__file__).with_name("tables")
# Words for a topic that come from these tables.
WORDS = {
    **dict.fromkeys(("group", "odd", "oddly", "figure", "story", "doubt", "objects"), "premises"),
    **dict.fromkeys(("right", "rightly"), "oughts"),
    "grave": "definitions",
}
CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")


@cache
def table(name: str) -> dict[str, Any]:
    """A table of sentences, by the kind of sentence."""
    return tomllib.loads((TABLES / f"{name}.toml").read_text(encoding="utf-8"))


def topics() -> list[dict[str, Any]]:
    """What is asked about, with sentences that answer."""
    return list(table("topics")["topic"])


def fill(template: str, topic: dict[str, Any], rng: random.Random) -> str:
    """One sentence of a template, about a topic."""
    while found := CHOICE.search(template):
        picked = rng.choice(found[1].split("|"))
        template = template[: found.start()] + picked + template[found.end() :]
    for slot in [s for s in ("do", "doing", "thing", *WORDS) if s in topic]:
        template = template.replace(f"{{{slot}}}", topic[slot])
        template = template.replace(
            f"{{{slot.title()}}}", topic[slot][:1].upper() + topic[slot][1:]
        )
    return re.sub(r" +([.,!?])", r"\1", re.sub(r"\s+", " ", template)).strip()


def sentence(name: str, topic: dict[str, Any], rng: random.Random, part: int, parts: int) -> str:
    """A sentence of the kind `file.kind`, from the templates that belong to a part of them.

    Templates are dealt out to `parts`, so that a model can be asked about sentences none of whose
    templates it has seen.
    """
    file, kind = name.split(".")
    mine = [t for i, t in enumerate(table(file)[kind]) if i % parts == part] or table(file)[kind]
    return fill(rng.choice(mine), topic, rng)
