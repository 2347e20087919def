"""What system and developer turns ask for, and how a style changes an answer."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tools.nano.small_english.splits import train_words
from tools.nano.small_english.tables import table

Message = dict[str, str]
STYLES = ("begin", "end", "one", "greet")
STYLE_LIST = {"begin": "word", "end": "word", "greet": "name"}


@dataclass(frozen=True)
class Setting:
    """The instructions that hold for a dialogue: which requests to answer, and in what form."""

    mode: str = "none"  # none, neutral, safety, overcautious
    style: str = ""
    word: str = ""
    messages: tuple[tuple[str, str], ...] = ()  # (role, content), as they stand in the dialogue


def draw(rng: random.Random, mode: str, style: str = "", words: Sequence[str] = ()) -> Setting:
    """A setting with freely drawn wordings; `words` overrides the words a style may name."""
    frames = table("frames")
    turns: list[tuple[str, str]] = []
    role = "developer" if rng.random() < 0.2 else "system"
    if mode in ("safety_default", "overcautious_default"):
        key = "default_safety" if mode == "safety_default" else "overcautious_default"
        turns.append(("system" if rng.random() < 0.93 else "developer", frames[key]))
        mode = mode.removesuffix("_default")
    elif mode in ("safety", "overcautious", "neutral"):
        turns.append((role, rng.choice(frames[mode])))
    word = ""
    if style:
        if style in STYLE_LIST:
            word = rng.choice(list(words) or list(train_words(STYLE_LIST[style])))
        text = rng.choice(frames[style]).format(word=word)
        second = "developer" if turns and turns[0][0] == "system" else role
        if turns and turns[0][0] == "developer":
            # One turn holds both where the developer already speaks.
            turns = [("developer", f"{turns[0][1]} {text}")]
        else:
            turns.append((second, text))
    return Setting(mode, style, word, tuple(turns))


def read(messages: Sequence[Message]) -> Setting | None:
    """The setting that the leading system and developer turns ask for; None if unknown."""
    frames = table("frames")
    text = " ".join(m["content"].strip() for m in messages if m["role"] in ("system", "developer"))
    mode, style, word = "none", "", ""
    modes = {
        "safety": [frames["default_safety"], *frames["safety"]],
        "overcautious": [frames["overcautious_default"], *frames["overcautious"]],
        "neutral": frames["neutral"],
    }
    for name, wordings in modes.items():
        for wording in wordings:
            if wording in text:
                mode, text = name, text.replace(wording, "").strip()
    for name in STYLES:
        for wording in frames[name]:
            pattern = re.escape(wording).replace(r"\{word\}", r"(\w+)")
            if found := re.fullmatch(pattern, text):
                style, text = name, ""
                word = found[1] if found.groups() else ""
    return None if text else Setting(mode, style, word)


def apply_style(setting: Setting, answer: str) -> str:
    """The answer in the form that the setting asks for (a short one must already be short)."""
    if setting.style == "begin":
        return f"{setting.word.capitalize()}. {answer}"
    if setting.style == "end":
        return f"{answer} {setting.word.capitalize()}."
    if setting.style == "greet":
        return f"Hello, {setting.word}. {answer}"
    return answer


def strip_style(setting: Setting, answer: str) -> str | None:
    """The answer without the form that was asked for; None if it lacks that form."""
    word = setting.word.lower()
    wanted = {
        "begin": (f"{word}. ", ""),
        "end": ("", f" {word}."),
        "greet": (f"hello, {word}. ", ""),
    }
    start, end = wanted.get(setting.style, ("", ""))
    if not (answer.startswith(start) and answer.endswith(end)):
        return None
    return answer[len(start) : len(answer) - len(end)]
