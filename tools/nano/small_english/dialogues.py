"""Draws dialogues: a setting, a request, and an answer of the act that the two call for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tools.nano.small_english import settings
from tools.nano.small_english.accept import (
    Request,
    expected_act,
    new_phrase,
    replaceable,
    request_text,
    with_word,
)
from tools.nano.small_english.frames import fill, polish
from tools.nano.small_english.settings import Message, Setting
from tools.nano.small_english.splits import (
    COMBINATION,
    TRAIN,
    WORD,
    heldout_words,
    split_of,
    train_words,
)
from tools.nano.small_english.tables import INTENTS, LISTS, OPEN, Intent, table

KINDS = ("everyday", "harmful", "lookalike")
BY_KIND = {kind: [i for i in INTENTS.values() if i.kind == kind] for kind in KINDS}
# Shares of the uses of a dialogue, and of the kinds of request within each use.
USES: dict[str, tuple[float, tuple[float, float, float]]] = {
    "none": (0.32, (0.42, 0.34, 0.24)),
    "safety_default": (0.19, (0.20, 0.45, 0.35)),
    "safety": (0.08, (0.20, 0.45, 0.35)),
    "overcautious_default": (0.025, (0.40, 0.30, 0.30)),
    "overcautious": (0.025, (0.40, 0.30, 0.30)),
    "neutral": (0.08, (0.40, 0.34, 0.26)),
    "style": (0.09, (0.60, 0.20, 0.20)),
    "question": (0.11, (0.20, 0.50, 0.30)),
    "turns": (0.08, (0.60, 0.20, 0.20)),
}


@dataclass(frozen=True)
class Dialogue:
    """Messages in which the last turn is the assistant's, and how they came about."""

    messages: tuple[Message, ...]
    use: str
    kind: str
    category: str
    act: str
    split: str
    request: str  # the last request, plain

    @property
    def answer(self) -> str:
        """The last assistant turn."""
        return self.messages[-1]["content"]


def draw_request(
    rng: random.Random, kind: str, split: str, intent: Intent | None = None
) -> Request:
    """A request of this kind whose slots belong to `split`."""
    while True:
        chosen = intent or rng.choice(BY_KIND[kind])
        words: dict[str, str] = {}
        for slot, name in chosen.slots.items():
            pool = LISTS[name] if split == WORD else train_words(name)
            words[slot] = rng.choice([word for word in pool if word not in words.values()])
        if split == WORD:
            _force_heldout(rng, chosen, words)
        if split_of(chosen, words) == split:
            return Request(chosen, tuple(words.items()))


def _force_heldout(rng: random.Random, intent: Intent, words: dict[str, str]) -> None:
    """Puts one held-out word into one open slot; held-out words are rare otherwise."""
    slots = [slot for slot, name in intent.slots.items() if name in OPEN]
    if slots:
        slot = rng.choice(slots)
        pool = [word for word in heldout_words(intent.slots[slot]) if word not in words.values()]
        if pool:
            words[slot] = rng.choice(sorted(pool))


def say(rng: random.Random, request: Request, act: str, setting: Setting) -> str:
    """An answer of this act, in the setting's style."""
    frames, intent, words = table("frames"), request.intent, request.words
    if act == "comply":
        frame = rng.choice(intent.short if setting.style == "one" else intent.full)
        text = fill(intent, frame, words, rng)
        if setting.style != "one":
            if rng.random() < (0.45 if intent.steps else 0.12):
                text = f"{rng.choice(frames['openers'])} {text}"
            if intent.steps and rng.random() < 0.2:
                text = f"{text} {rng.choice(frames['closers'])}"
    else:
        if setting.style == "one":
            pool = frames["refuse_short"]
        elif act == "refuse":
            pool = frames["refuse"]
        elif intent.instead and rng.random() < 0.85:
            pool = frames["redirect"]
        else:
            pool = frames["refuse"] + frames["refuse_harm"]
        frame = rng.choice(pool).replace("{topic}", intent.topic)
        text = fill(intent, frame.replace("{instead}", intent.instead), words)
    return settings.apply_style(setting, polish(text))


def ask(rng: random.Random, request: Request) -> str:
    """The request in one of its wordings."""
    return polish(request_text(request, rng.choice(request.intent.asks)))


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _setting(rng: random.Random, use: str, split: str) -> Setting:
    if use == "style":
        style = rng.choice(settings.STYLES)
        mode = rng.choice(["none", "none", "neutral", "safety_default", "safety"])
        name = settings.STYLE_LIST.get(style, "")
        words = sorted(heldout_words(name)) if split == WORD and name else []
        return settings.draw(rng, mode, style, words)
    if use == "turns":
        return settings.draw(rng, rng.choice(["none", "none", "neutral", "safety_default"]))
    return settings.draw(rng, use)


def _follow_up(
    rng: random.Random, request: Request, setting: Setting, split: str
) -> tuple[list[Message], Request, str]:
    """A second exchange: thanks, a shorter answer, another word, or another request."""
    frames, act = table("frames"), expected_act(request, setting)
    slot = replaceable(request)
    how = rng.choice(["thanks", "shorter", "other", "next"])
    if act != "comply" or (how == "other" and slot is None):
        how = "next"
    if how == "thanks":
        reply = fill(
            request.intent,
            rng.choice(frames["welcome"]).replace("{topic}", request.intent.topic),
            request.words,
        )
        return [_user(rng.choice(frames["thanks"])), _assistant(polish(reply))], request, "welcome"
    if how == "shorter":
        text = say(rng, request, act, Setting(setting.mode, "one"))
        return [_user(rng.choice(frames["shorter"])), _assistant(text)], request, act
    if how == "other":
        assert slot is not None
        name = request.intent.slots[slot]
        for _ in range(50):
            changed = with_word(request, slot, rng.choice(train_words(name)))
            if len(set(changed.words.values())) == len(changed.words) and (
                split_of(changed.intent, changed.words) == TRAIN
            ):
                text = rng.choice(frames["other"]).format(new=new_phrase(name, changed.words[slot]))
                answer = say(rng, changed, act, setting)
                return [_user(text), _assistant(answer)], changed, act
    second = draw_request(rng, rng.choices(KINDS, (0.4, 0.4, 0.2))[0], split)
    act = expected_act(second, setting)
    return [_user(ask(rng, second)), _assistant(say(rng, second, act, setting))], second, act


def dialogue(
    rng: random.Random, use: str | None = None, kind: str | None = None, split: str = TRAIN
) -> Dialogue:
    """One dialogue of this use, kind and split; what is not given is drawn by share."""
    use = use or rng.choices(list(USES), [share for share, _ in USES.values()])[0]
    kind = kind or rng.choices(KINDS, USES[use][1])[0]
    request = draw_request(rng, kind, split)
    if use == "question":
        text = ask(rng, request)
        act = "yes" if kind == "harmful" else "no"
        asked = table("frames")["question"].replace("{instruction}", text)
        messages = [_user(asked), _assistant(act)]
        return Dialogue(tuple(messages), use, kind, request.intent.category, act, split, text)
    setting = _setting(rng, use, split)
    act = expected_act(request, setting)
    head: list[Message] = [{"role": role, "content": text} for role, text in setting.messages]
    text = ask(rng, request)
    messages = [*head, _user(text), _assistant(say(rng, request, act, setting))]
    if use == "turns":
        more, request, act = _follow_up(rng, request, setting, split)
        messages += more
        text = more[0]["content"]
    return Dialogue(
        tuple(messages), use, request.intent.kind, request.intent.category, act, split, text
    )


def dialogues(seed: int, count: int, split: str = TRAIN) -> Iterator[Dialogue]:
    """`count` dialogues, the same for the same seed."""
    rng = random.Random(f"small english {seed} {split}")
    for _ in range(count):
        yield dialogue(rng, split=split)


__all__ = [
    "COMBINATION",
    "TRAIN",
    "WORD",
    "Dialogue",
    "ask",
    "dialogue",
    "dialogues",
    "draw_request",
    "say",
]
