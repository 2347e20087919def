"""How the classifier does on answers that it was not trained on, to choose settings by.

They are the third of what was labelled by reading it (`real.py`) that is held out while settings
are chosen, and the answers written by hand in `dev.toml`, which are never trained on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tools.refusal import real
from trueline.labellers.refusal.refusal import ANSWERS, Weights, probabilities
from trueline.statistics.agreement import krippendorff

Row = tuple[str, str, str]
DEV = Path(__file__).with_name("dev.toml")


def by_hand() -> list[Row]:
    """(prompt, answer, value) of the answers written for this purpose."""
    data = tomllib.loads(DEV.read_text(encoding="utf-8"))
    return [(prompt, text, value) for value in ANSWERS for prompt, text in data[value]["rows"]]


def sets() -> dict[str, list[Row]]:
    """The sets of answers by name."""
    found: dict[str, list[Row]] = {"by hand": by_hand()}
    names = {"whole": "whole", "hh_harmless": "HH-RLHF"}
    for row in (*real.whole(), *real.labelled()):
        if real.held_out(row.group):
            name = names.get(row.source, "JailbreakBench")
            found.setdefault(name, []).append((row.prompt, row.text, row.value))
    return found


def answer(weights: Weights, prompt: str, text: str) -> str:
    """What the classifier with these weights says of an answer."""
    return ANSWERS[int(probabilities(weights, prompt, text).argmax())]


def confusion(by: Callable[[str, str], str], rows: Iterable[Row]) -> np.ndarray:
    """(true value, value given by a prompt and its answer): counts."""
    table = np.zeros((3, 3), dtype=int)
    for prompt, text, value in rows:
        table[ANSWERS.index(value), ANSWERS.index(by(prompt, text))] += 1
    return table


def alpha(counts: np.ndarray) -> float:
    """Krippendorff's α between labels and answers, from their confusion."""
    pairs = [(i, j) for (i, j), count in np.ndenumerate(counts) for _ in range(count)]
    return float(krippendorff(pairs).value)
