"""Streams of token sequences for each part of nano, and rows packed from them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from tools.nano import corpus
from tools.nano.small_english import settings
from tools.nano.small_english.dialogues import KINDS, Dialogue, ask, dialogue, draw_request, say
from tools.nano.small_english.prose import prose
from tools.nano.small_english.splits import TRAIN
from tools.nano.small_english.tables import LISTS, table
from tools.nano.templates import chat_text, reverse_prompt

ROW = 256
WEAK = ("style", "style", "style", "turns", "safety_default")
IGNORE = -100
CHUNK = 512


@dataclass(frozen=True)
class Sample:
    """One sequence and, token by token, whether its loss counts."""

    ids: np.ndarray  # int64 (length,)
    counts: np.ndarray  # bool (length,)


@dataclass(frozen=True)
class Text:
    """A text to learn from: `learn` is the part of it whose loss counts.

    `all` everything but system and developer turns, `assistant` the assistant's turns,
    or the number of characters at the end.
    """

    text: str
    learn: str | int = "all"


Source = Callable[[random.Random], Text]


def _dialogue_text(item: Dialogue, learn: str) -> Text:
    return Text(chat_text(item.messages), learn)


def _pair_messages(pair: corpus.Pair) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": pair.instruction},
        {"role": "assistant", "content": pair.response},
    ]


def _real_question(
    rng: random.Random, pairs: Sequence[corpus.Pair], rude: Sequence[corpus.Pair]
) -> Text:
    """The filter question on an instruction that is not small English."""
    pair = rng.choice(rude if rng.random() < 0.4 else pairs)
    asked = table("frames")["question"].replace("{instruction}", pair.instruction)
    answer = "yes" if pair.source == "rude" else "no"
    return Text(
        chat_text([{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]),
        "assistant",
    )


def _copied(rng: random.Random, pool: Sequence[str]) -> Text:
    """Words at random, twice: the plainest lesson in copying, which all answers rest on."""
    words = " ".join(rng.sample(pool, rng.randrange(4, 16)))
    return Text(f"<|begin|>{words}\n{words}<|end|>")


def _flat(rows: dict[str, list[corpus.Pair]], cap: int) -> list[corpus.Pair]:
    """All pairs, with large sources cut so that none outweighs the others."""
    rng = random.Random(5)
    return [
        p for part in rows.values() for p in (part if len(part) <= cap else rng.sample(part, cap))
    ]


def base_sources(seed: int) -> list[tuple[float, Source]]:
    """What the base learns from: mostly small English, then real pairs and plain text."""
    documents = corpus.documents(heldout=False)
    rows = corpus.pairs(heldout=False)
    rude = rows.pop("rude")
    pairs = _flat(rows, 12_000)
    simple = prose(seed)
    known = [word for words in LISTS.values() for word in words]
    rare = sorted({w for p in pairs[::7] for w in corpus.WORD.findall(p.response)})

    def plain_pair(rng: random.Random) -> Text:
        pair = rng.choice(rude if rng.random() < 0.15 else pairs)
        return Text(f"<|begin|>{pair.instruction}\n{pair.response}<|end|>")

    def turned_pair(rng: random.Random) -> Text:
        pair = rng.choice(rude if rng.random() < 0.15 else pairs)
        return Text(f"<|begin|>{pair.response}\n{pair.instruction}<|end|>")

    return [
        (0.68, lambda rng: _dialogue_text(dialogue(rng), "all")),
        (0.04, lambda rng: Text(f"<|begin|>{next(simple)}<|end|>")),
        (0.04, lambda rng: _copied(rng, known if rng.random() < 0.5 else rare)),
        (0.05, lambda rng: Text(chat_text(_pair_messages(rng.choice(pairs))))),
        (0.02, lambda rng: _real_question(rng, pairs, rude)),
        (0.06, plain_pair),
        (0.06, turned_pair),
        (0.03, lambda rng: _document(rng, documents["childrens_books"])),
        (0.02, lambda rng: _document(rng, documents["digitalgov"])),
    ]


def _document(rng: random.Random, chunks: Sequence[str]) -> Text:
    return Text(f"<|begin|>{rng.choice(chunks)}<|end|>")


def chat_sources(seed: int) -> list[tuple[float, Source]]:
    """What the chat adapter learns from: dialogues, and a few real pairs for other subjects."""
    rows = corpus.pairs(heldout=False)
    rude = rows.pop("rude")
    pairs = _flat(rows, 3_000)
    return [
        (0.70, lambda rng: _dialogue_text(dialogue(rng), "assistant")),
        # The base learns these last: a word to begin or end with has to be fetched from far away.
        (0.22, lambda rng: _dialogue_text(dialogue(rng, rng.choice(WEAK)), "assistant")),
        (0.04, lambda rng: Text(chat_text(_pair_messages(rng.choice(pairs))), "assistant")),
        (0.04, lambda rng: _real_question(rng, pairs, rude)),
    ]


def reversed_dialogue(rng: random.Random, split: str = TRAIN) -> corpus.Pair:
    """An instruction and its compliant answer in small English, of any kind of request."""
    request = draw_request(rng, rng.choices(KINDS, (0.3, 0.45, 0.25))[0], split)
    answer = say(rng, request, "comply", settings.Setting())
    return corpus.Pair("small_english", ask(rng, request), answer)


def reverse_sources(seed: int) -> list[tuple[float, Source]]:
    """What the reversed adapter learns from: real pairs of every source, and small English."""
    rows = corpus.pairs(heldout=False)

    def turned(make: Callable[[random.Random], corpus.Pair]) -> Source:
        def text(rng: random.Random) -> Text:
            pair = make(rng)
            end = f"{pair.instruction}<|end|>"
            return Text(reverse_prompt(pair.response) + end, len(end))

        return text

    out = [(0.42, turned(reversed_dialogue))]
    # The sentence tests of FLAN all have one of a few instructions: too dull to learn from.
    shares = {
        "passage": 0.24,
        "rude": 0.10,
        "gpteacher": 0.10,
        "digitalgov": 0.05,
        "flan_ecqa": 0.04,
        "flan_strategyqa": 0.03,
        "flan_creak": 0.01,
        "flan_gsm8k": 0.015,
        "flan_qasc": 0.015,
    }
    for name, share in shares.items():
        out.append((share, turned(lambda rng, part=rows[name]: rng.choice(part))))  # type: ignore[misc]
    return out


SOURCES = {"base": base_sources, "chat": chat_sources, "reverse": reverse_sources}


def samples(
    tokenizer: PreTrainedTokenizerFast, sources: list[tuple[float, Source]], seed: int
) -> Iterator[Sample]:
    """An endless stream of samples, encoded in chunks for speed.

    Shares are of texts, not of tokens.
    """
    rng = random.Random(seed)
    weights = [share for share, _ in sources]
    makers = [make for _, make in sources]
    while True:
        texts = [make(rng) for make in rng.choices(makers, weights, k=CHUNK)]
        encoded = tokenizer(
            [t.text for t in texts], add_special_tokens=False, return_offsets_mapping=True
        )
        for text, ids, spans in zip(
            texts, encoded["input_ids"], encoded["offset_mapping"], strict=True
        ):
            yield Sample(np.array(ids), _counts(tokenizer, text, ids, spans))


def _counts(
    tokenizer: PreTrainedTokenizerFast, text: Text, ids: list[int], spans: list[tuple[int, int]]
) -> np.ndarray:
    if isinstance(text.learn, int):
        return np.array([start >= len(text.text) - text.learn for start, _ in spans])
    return np.array(learned(tokenizer, ids, text.learn))


def learned(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int], learn: str) -> list[bool]:
    """Which tokens of a rendered chat count: found from the role tokens alone."""
    names = ["<|system|>", "<|developer|>", "<|user|>", "<|assistant|>", "<|tool|>"]
    roles = dict(zip(tokenizer.convert_tokens_to_ids(names), names, strict=True))
    end, role, out = tokenizer.eos_token_id, "", []
    for token in ids:
        if token in roles:
            role = roles[token]
            out.append(learn == "all")
            continue
        if learn == "assistant":
            out.append(role == "<|assistant|>")
        else:
            out.append(role not in ("<|system|>", "<|developer|>"))
        if token == end:
            role = ""
    return out


@dataclass(frozen=True)
class Batch:
    """Packed rows: tokens, labels, document numbers, each (rows, ROW); padding is document -1."""

    ids: torch.Tensor
    labels: torch.Tensor
    documents: torch.Tensor
    tokens: int

    def mask(self) -> torch.Tensor:
        """Causal attention within each document only, (rows, 1, ROW, ROW) bool."""
        same = self.documents[:, :, None] == self.documents[:, None, :]
        return (same & torch.ones(ROW, ROW, dtype=torch.bool).tril())[:, None]


def batches(stream: Iterator[Sample], rows: int, pad: int) -> Iterator[Batch]:
    """Packs samples into rows: each row takes the longest waiting sample that still fits."""
    waiting: list[Sample] = []
    while True:
        ids = np.full((rows, ROW), pad, dtype=np.int64)
        labels = np.full((rows, ROW), IGNORE, dtype=np.int64)
        documents = np.full((rows, ROW), -1, dtype=np.int64)
        tokens = 0
        for row in range(rows):
            at, number = 0, 0
            while True:
                waiting += itertools.islice(stream, max(0, 96 - len(waiting)))
                best = _best_fit(waiting, ROW - at, first=number == 0)
                if best is None:
                    break
                sample = waiting.pop(best)
                length = min(len(sample.ids), ROW - at)
                ids[row, at : at + length] = sample.ids[:length]
                # Position t predicts t + 1, so labels are shifted here, within the document.
                counted = sample.counts[1:length]
                labels[row, at : at + length - 1] = np.where(counted, sample.ids[1:length], IGNORE)
                documents[row, at : at + length] = number
                at, number, tokens = at + length, number + 1, tokens + length
        yield Batch(
            torch.from_numpy(ids), torch.from_numpy(labels), torch.from_numpy(documents), tokens
        )


def _best_fit(waiting: Sequence[Sample], room: int, first: bool) -> int | None:
    """The place of the longest sample that fits; an empty row takes the oldest, cut if need be."""
    if first:
        return 0
    fitting = [(len(s.ids), -i) for i, s in enumerate(waiting) if len(s.ids) <= room]
    return -max(fitting)[1] if fitting else None
