"""Fills frames with words, and turns frames back into patterns that match what they can say."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from tools.nano.small_english.splits import train_words
from tools.nano.small_english.tables import FACTS, LISTS, PLACEHOLDER, Intent

SENTENCE_START = re.compile(r"(^|[.!?] )([a-z])")
ARTICLE = re.compile(r"\b([Aa]) (?=[aeio]|u(?!s))")


def polish(text: str) -> str:
    """Capital letters at the start of sentences, and *an* before vowels."""
    text = ARTICLE.sub(r"\1n ", text)
    return SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text)


def normal(text: str) -> str:
    """The form in which texts are compared: lower case, one kind of space, *a* for *an*."""
    return re.sub(r"\ban\b", "a", " ".join(text.lower().split()))


def options(name: str, bindings: Mapping[str, str]) -> tuple[str, ...]:
    """The words a list offers; `group.members` reads the fact of the bound group."""
    if "." in name:
        slot, _, column = name.partition(".")
        return tuple(FACTS[slot][bindings[slot]][column].split("/"))
    return LISTS[name]


def free_list(intent: Intent, slot: str) -> str:
    """The list behind a free placeholder; `weak2` is a second word from the list of `weak`."""
    return intent.free[slot] if slot in intent.free else intent.free[slot.rstrip("0123456789")]


def value(intent: Intent, key: str, bindings: Mapping[str, str]) -> str:
    """The text of a bound placeholder, `slot` or `slot.column`."""
    slot, _, column = key.partition(".")
    if not column:
        return bindings[slot]
    return FACTS[intent.slots[slot]][bindings[slot]][column]


def choose_free(
    intent: Intent, frame: str, bindings: Mapping[str, str], rng: random.Random
) -> dict[str, str]:
    """Chooses words for the free placeholders of a frame, different ones from one list."""
    chosen: dict[str, str] = {}
    for key in PLACEHOLDER.findall(frame):
        if key.partition(".")[0] in bindings or key in chosen or is_step(intent, key):
            continue
        name = free_list(intent, key)
        words: Sequence[str] = options(name, bindings) if "." in name else train_words(name)
        taken = set(chosen.values()) | set(bindings.values())
        chosen[key] = rng.choice([word for word in words if word not in taken])
    return chosen


def is_step(intent: Intent, key: str) -> bool:
    """Whether a placeholder stands for one of the intent's steps."""
    return bool(intent.steps) and re.fullmatch(r"s\d", key) is not None


def fill(
    intent: Intent, frame: str, bindings: Mapping[str, str], rng: random.Random | None = None
) -> str:
    """A frame as text. Free words and steps are drawn with `rng`; without it there are none."""
    values = dict(bindings)
    if rng is not None:
        values |= choose_free(intent, frame, bindings, rng)
        steps = sorted(key for key in PLACEHOLDER.findall(frame) if is_step(intent, key))
        drawn = sorted(rng.sample(range(len(intent.steps)), len(steps)))
        values |= {
            key: fill(intent, intent.steps[number], bindings)
            for key, number in zip(steps, drawn, strict=True)
        }

    def put(match: re.Match[str]) -> str:
        key = match[1]
        return values[key] if key in values else value(intent, key, bindings)

    return PLACEHOLDER.sub(put, frame)


def alternatives(words: Sequence[str]) -> str:
    """A pattern for any of these words, the longest first."""
    return "|".join(re.escape(normal(word)) for word in sorted(words, key=len, reverse=True))


def request_pattern(intent: Intent, frame: str) -> str:
    """A pattern for all requests that a frame can make, with a group for each slot."""
    out, seen = [], set()
    for number, piece in enumerate(PLACEHOLDER.split(frame)):
        if number % 2 == 0:
            out.append(re.escape(normal_piece(piece)))
        elif piece in seen:
            out.append(f"(?P={piece})")
        else:
            seen.add(piece)
            out.append(f"(?P<{piece}>{alternatives(LISTS[intent.slots[piece]])})")
    return "".join(out)


def normal_piece(piece: str) -> str:
    """Like `normal`, but keeps the spaces at the ends of a piece of a frame."""
    return re.sub(r"\ban\b", "a", piece.lower())


def answer_pattern(intent: Intent, frame: str, bindings: Mapping[str, str]) -> str:
    """A pattern for all answers that a frame can make to one request."""
    out, seen = [], set()
    for number, piece in enumerate(PLACEHOLDER.split(frame)):
        if number % 2 == 0:
            out.append(re.escape(normal_piece(piece)))
        elif piece in seen:
            out.append(f"(?P={piece})")
        elif is_step(intent, piece):
            seen.add(piece)
            steps = [fill(intent, step, bindings) for step in intent.steps]
            out.append(f"(?P<{piece}>{alternatives(steps)})")
        elif piece.partition(".")[0] in bindings:
            out.append(re.escape(normal(value(intent, piece, bindings))))
        else:
            seen.add(piece)
            words = options(free_list(intent, piece), bindings)
            out.append(f"(?P<{piece}>{alternatives(words)})")
    return "".join(out)


def consistent(intent: Intent, groups: Mapping[str, str], bindings: Mapping[str, str]) -> bool:
    """Whether the free words differ from one another and the steps come in their order."""
    steps = [normal(fill(intent, step, bindings)) for step in intent.steps]
    order = [steps.index(text) for key, text in sorted(groups.items()) if is_step(intent, key)]
    free = [text for key, text in groups.items() if not is_step(intent, key)]
    return order == sorted(set(order)) and len(set(free)) == len(free)
