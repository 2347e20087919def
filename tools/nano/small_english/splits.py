"""What is held out: combinations of intent and slots, and words of open lists.

Both follow from stable hashes, so that adding a word or an intent moves nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from math import prod

from tools.nano.small_english.tables import LISTS, OPEN, Intent

TRAIN, COMBINATION, WORD = "train", "heldout_combination", "heldout_word"
ONE_COMBINATION_IN = 20
WORD_SHARE = 0.08
# Smaller intents stay whole: their answers are facts that have to be seen once.
SMALLEST_SPLIT_INTENT = 60


def stable_hash(text: str) -> int:
    """A hash that is the same on every machine and in every run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


@cache
def heldout_words(name: str) -> frozenset[str]:
    """The words of list `name` that never fill that slot in training."""
    if name not in OPEN:
        return frozenset()
    ranked = sorted(OPEN[name], key=lambda word: stable_hash(f"{name}:{word}"))
    return frozenset(ranked[: max(1, round(WORD_SHARE * len(ranked)))])


@cache
def train_words(name: str) -> tuple[str, ...]:
    """The words of list `name` that may fill that slot in training."""
    return tuple(word for word in LISTS[name] if word not in heldout_words(name))


@cache
def _combinations(slots: tuple[str, ...]) -> int:
    return prod(len(LISTS[name]) for name in slots)


def split_of(intent: Intent, bindings: Mapping[str, str]) -> str:
    """The split to which a request with these slots belongs."""
    if any(bindings[slot] in heldout_words(name) for slot, name in intent.slots.items()):
        return WORD
    if _combinations(tuple(intent.slots.values())) < SMALLEST_SPLIT_INTENT:
        return TRAIN
    key = intent.id + "|" + "|".join(f"{slot}={bindings[slot]}" for slot in sorted(intent.slots))
    return COMBINATION if stable_hash(key) % ONE_COMBINATION_IN == 0 else TRAIN
