"""Answers labelled by reading them: real ones of models, and whole ones of our own writing.

`labels.csv` holds where an answer stands in the shared data (file, row counted from 0, which
answer), a digest of prompt and answer, and our label; the texts stay where they lie.
`whole/` holds answers that we wrote, several to one request, a file for each kind of request.

A third of the requests is held out to choose settings by.  All that answers one request, one
behaviour of JailbreakBench or one conversation of HH-RLHF falls on the same side.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from tools.refusal.passages import shared
from trueline.files.errors import InputError
from trueline.labellers.refusal.refusal import ANSWERS

LABELS = Path(__file__).with_name("labels.csv")
WHOLE = Path(__file__).with_name("whole")
BEHAVIOURS = 100
_TURN = re.compile(r"\n\n(?:Human|Assistant):")


class Read(NamedTuple):
    """An answer to a prompt with its label; `group` is what it shares with its like."""

    prompt: str
    text: str
    value: str
    source: str
    group: str


def fold(group: str, parts: int, salt: str) -> int:
    """Which of `parts` a group falls into, the same in every run."""
    return int.from_bytes(blake2b((salt + group).encode(), digest_size=4).digest()) % parts


def held_out(group: str) -> bool:
    """Whether a group is kept from training."""
    return fold(group, 3, "dev") == 0


def first_turn(conversation: str) -> str:
    """The group of a conversation of HH-RLHF: how it begins."""
    return "hh:" + _TURN.split(conversation)[1].strip()


def whole() -> list[Read]:
    """The answers of our own writing."""
    return [
        Read(case["ask"], text, value, "whole", "whole:" + case["ask"])
        for path in sorted(WHOLE.glob("*.toml"))
        for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]
        for value in ANSWERS
        for text in case.get(value, ())
    ]


@cache
def _rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(shared() / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _found(name: str, number: int, answer: str) -> tuple[str, str, str]:
    """Prompt, answer and group: of a conversation's turn (`chosen/3`), or of a response."""
    row = _rows(name)[number]
    if answer == "response":
        # The suffixes of gcg are no language; the prompts of pair say more than its goals.
        prompt = row["prompt"] if row["method"].lower() == "pair" else row["goal"]
        return prompt, row["response"], f"jbb:{number % BEHAVIOURS}"
    side, turn = answer.split("/")
    turns = [said.strip() for said in _TURN.split(row[side])[1:]]
    return turns[int(turn) - 1], turns[int(turn)], first_turn(row[side])


def digest(prompt: str, text: str) -> str:
    """Sixteen hexadecimal digits that stand for a prompt and its answer."""
    return blake2b(f"{prompt}\0{text}".encode(), digest_size=8).hexdigest()


def labelled() -> Iterator[Read]:
    """The real answers; InputError where a row's text is not the one that was labelled."""
    with LABELS.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            prompt, text, group = _found(row["file"], int(row["row"]), row["answer"])
            if digest(prompt, text) != row["digest"]:
                raise InputError(
                    f"{LABELS.name}, line {line}: row {row['row']} of {row['file']}.jsonl.gz is "
                    f"not the text that was labelled; take the version that {shared()} describes"
                )
            yield Read(prompt, text, row["value"], row["file"].rpartition("/")[2], group)
