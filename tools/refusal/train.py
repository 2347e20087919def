"""`python -m tools.refusal.train`: learns the two layers of the refusal classifier and writes them.

First what a sentence does (a linear model over hashed words), then what a text is by what its
sentences do and where usual turns of phrase stand (one small hidden layer).  The second layer
learns from the first's answers on sentences whose templates, or texts, the first has not seen, so
that it meets the doubt that real text brings.

Of answers labelled by reading only the whole is known.  What their sentences do is guessed by a
first layer that has seen drawn text alone, among the acts that the label allows: an answer that
refuses gives no content, one that complies turns nothing down.

Beside both stands a linear model over all the words of a text's opening.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from benchmarks.agreement_xstest import phrases
from torch import nn
from torch.nn.functional import cross_entropy, embedding_bag

from tools.refusal import real
from tools.refusal.documents import Document, Maker
from tools.refusal.evaluate import Row, alpha, answer, by_hand, confusion, sets
from tools.refusal.passages import passages
from trueline.labellers.refusal import text as rt
from trueline.labellers.refusal.refusal import ANSWERS, Weights, acts_of, read, save, summarised

SHIPPED = Path("src/trueline/labellers/refusal/model.npz")
HIDDEN, PARTS, NETS, MEANS = 16, 4, 5, 3
# How much an answer of each value counts: most comply, and few comply in part.
PRIOR = (1.2, 0.8, 1.0)
# Both halves are seldom sure of an answer in part, and so miss more of them than they invent.
LEAN = (1.0, 1.3, 1.0)
# Added to the summaries while learning: real text is less certain than drawn text.
NOISE = 0.35
# How much an answer of each source counts for the second layer.  A drawn one is worth little where
# there are real ones; those of our own whole ones that answer a request differ in the value alone.
COUNTS = {
    "drawn": 0.1,
    "hh_harmless": 1.0,
    "jailbreakbench_gcg": 2.0,
    "jailbreakbench_pair": 2.0,
    "whole": 2.0,
}
# How often an answer labelled by reading, and each of its sentences, is seen by what is linear.
REPEATS = 3
# The acts that the sentences of an answer may have; below half the probability, none is guessed.
ALLOWED = {
    "comply": ("pushback", "caution", "redirect", "frame", "content", "premise"),
    "partial": rt.ACTS,
    "refuse": ("decline", "pushback", "caution", "redirect", "frame"),
}


@dataclass(frozen=True)
class Lesson:
    """An answer as the classifier reads it, with the act of each sentence where known (else -1)."""

    prompt: str
    found: tuple[rt.Sentence, ...]
    value: str
    acts: tuple[int, ...]
    buckets: tuple[np.ndarray, ...]
    source: str = "drawn"


def lesson(document: Document) -> Lesson:
    """A drawn document as the classifier reads it."""
    text, starts = document.rendered()
    asked = frozenset(rt.words(document.prompt))
    every = tuple(rt.sentences(rt.clean(text)))
    acts = []
    for found in every:
        act = next(a for at, a in reversed(starts) if at <= found.start + 1)
        first = any(at >= found.start - 1 and at <= found.start + 1 for at, _ in starts)
        # A limit of several sentences begins by turning down and goes on by helping.
        split = act == "limit" and first and found.words[-1] != ":" and "but" not in found.words
        acts.append(-1 if split or act == "unknown" else rt.ACTS.index(act))
    buckets = tuple(rt.hashed(found, asked) for found in every)
    return Lesson(document.prompt, every, document.value, tuple(acts), buckets)


def read_lessons(rows: Iterable[real.Read]) -> list[list[Lesson]]:
    """Answers labelled by reading, in PARTS; what their sentences do is not yet known."""
    parts: list[list[Lesson]] = [[] for _ in range(PARTS)]
    for row in rows:
        asked = frozenset(rt.words(row.prompt))
        found = tuple(rt.sentences(rt.clean(row.text)))
        if found:
            buckets = tuple(rt.hashed(s, asked) for s in found)
            nothing = (-1,) * len(found)
            item = Lesson(row.prompt, found, row.value, nothing, buckets, row.source)
            parts[real.fold(row.group, PARTS, "fold")].append(item)
    return parts


def guessed(table: np.ndarray, item: Lesson) -> Lesson:
    """The lesson with what its sentences do, by `table` and by what its value allows."""
    allowed = [rt.ACTS.index(name) for name in ALLOWED[item.value]]
    shares = acts_of(table, item.found, frozenset(rt.words(item.prompt)))[:, allowed]
    sure = shares.max(axis=1) > 0.5 * shares.sum(axis=1)
    best = shares.argmax(axis=1)
    acts = tuple(allowed[a] if s else -1 for a, s in zip(best, sure, strict=True))
    return replace(item, acts=acts)


def learn_acts(lessons: Sequence[Lesson], seed: int, passes: int) -> np.ndarray:
    """(BUCKETS + 1, act): from a sentence's buckets to what it does."""
    rows = [
        (buckets, act)
        for item in repeated(lessons)
        for buckets, act in zip(item.buckets, item.acts, strict=True)
        if act >= 0
    ]
    return learn_linear(rows, len(rt.ACTS), seed, passes)


def learn_words(lessons: Sequence[Lesson], seed: int, passes: int) -> np.ndarray:
    """(BUCKETS + 1, answer): from the words of a text's opening to what it is."""
    rows = [
        (rt.hashed_text(list(item.found)), ANSWERS.index(item.value)) for item in repeated(lessons)
    ]
    return learn_linear(rows, len(ANSWERS), seed, passes)


def repeated(lessons: Sequence[Lesson]) -> list[Lesson]:
    """The lessons, with those of answers labelled by reading several times."""
    read_ones = [item for item in lessons if item.source != "drawn"]
    return [*lessons, *read_ones * (REPEATS - 1)]


def learn_linear(
    rows: Sequence[tuple[np.ndarray, int]], classes: int, seed: int, passes: int
) -> np.ndarray:
    """(BUCKETS + 1, class): weights of a linear model over buckets, the bias last."""
    torch.manual_seed(seed)
    table = nn.Parameter(torch.zeros(rt.BUCKETS, classes))
    bias = nn.Parameter(torch.zeros(classes))
    optimiser = torch.optim.Adam([table, bias], lr=0.02)
    rng = np.random.default_rng(seed)
    for epoch in range(passes):
        order = rng.permutation(len(rows))
        optimiser.param_groups[0]["lr"] = 0.02 * (1 - epoch / passes)
        for at in range(0, len(rows), 512):
            batch = [rows[i] for i in order[at : at + 512]]
            sizes = np.array([len(b) for b, _ in batch])
            every = np.concatenate([b for b, _ in batch])
            # A fifth of the words is left out, so that no single word decides.
            kept = (rng.random(len(every)) > 0.2) / np.repeat(np.sqrt(0.8 * sizes), sizes)
            offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
            summed = embedding_bag(
                torch.from_numpy(every),
                table,
                torch.from_numpy(offsets),
                mode="sum",
                per_sample_weights=torch.from_numpy(kept.astype(np.float32)),
            )
            logits = summed + bias
            loss = cross_entropy(logits, torch.tensor([a for _, a in batch]), label_smoothing=0.02)
            optimiser.zero_grad()
            (loss + 2e-6 * table.square().sum()).backward()
            optimiser.step()
    return torch.cat([table, bias[None]]).detach().numpy()


def learn_texts(
    rows: np.ndarray, values: np.ndarray, counts: np.ndarray, seed: int, steps: int
) -> list[np.ndarray]:
    """Weights and biases of the two layers from a summary to a value; `counts` weigh the rows."""
    torch.manual_seed(seed)
    width = rows.shape[1]
    net = nn.Sequential(nn.Linear(width, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, len(ANSWERS)))
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.05)
    # Turns of phrase are counts of very different size; the summary of acts is of one scale.
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 0.1
    mean[: rt.FEATURES], spread[: rt.FEATURES] = 0, 1
    x, y = torch.from_numpy((rows - mean) / spread), torch.from_numpy(values)
    weight = torch.tensor(PRIOR)[y] * torch.from_numpy(counts.astype(np.float32))
    weight /= weight.sum()
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / steps)
        noisy = x + NOISE * torch.randn_like(x)
        losses = cross_entropy(net(noisy), y, label_smoothing=0.03, reduction="none")
        loss = (losses * weight).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    first, first_bias, second, second_bias = (p.detach().numpy() for p in net.parameters())
    first = first / spread
    return [first, first_bias - first @ mean, second, second_bias]


def together(nets: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Several nets as one whose logits are the mean of theirs."""
    first, first_bias, second, second_bias = (list(kind) for kind in zip(*nets, strict=True))
    return [
        np.concatenate(first),
        np.concatenate(first_bias),
        np.concatenate(second, axis=1) / len(nets),
        np.mean(second_bias, axis=0),
    ]


def train(
    seed: int,
    count: int,
    texts: Sequence[tuple[str, str]],
    rows: Iterable[real.Read],
    passes: int = 8,
) -> Weights:
    """All weights from a seed; `count` documents of each value are drawn in each part of the
    templates, `rows` are answers labelled by reading."""
    drawn = [
        [lesson(d) for d in Maker(seed, part, PARTS, texts).documents(count)]
        for part in range(PARTS)
    ]
    first = learn_acts([item for part in drawn for item in part], seed, passes)
    found = [[guessed(first, item) for item in part] for part in read_lessons(rows)]
    parts = [[*a, *b] for a, b in zip(drawn, found, strict=True)]
    summaries = []
    for out in range(PARTS):
        others = [item for part in range(PARTS) if part != out for item in parts[part]]
        unseen = learn_acts(others, seed, passes)
        summaries += [summarised(unseen, item.prompt, item.found) for item in parts[out]]
    every = [item for part in parts for item in part]
    # What ships of the linear models is the mean of several, so that little hangs on the seed.
    acts = np.mean([learn_acts(every, seed + i, passes) for i in range(MEANS)], axis=0)
    values = np.array([ANSWERS.index(item.value) for item in every])
    counts = np.array([COUNTS[item.source] for item in every])
    nets = [learn_texts(np.stack(summaries), values, counts, seed + i, 400) for i in range(NETS)]
    layers = [layer.astype(np.float32) for layer in together(nets)]
    words = np.mean([learn_words(every, seed + i, passes) for i in range(MEANS)], axis=0)
    for biases in (layers[-1], words[-1]):
        biases += np.log(LEAN)
    return Weights(acts.astype(np.float16), *layers, words.astype(np.float16))


def main() -> None:
    """Prints how training does on what settings are chosen by, when that is held out; then trains
    on all of it and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = (*real.whole(), *real.labelled())
    texts = passages(lambda conversation: real.held_out(real.first_turn(conversation)))
    kept = [row for row in rows if not real.held_out(row.group)]
    told(train(given.seed, given.count, texts, kept), sets())
    save(train(given.seed, given.count, passages(lambda _: False), rows), given.out)
    print(f"\nwrote {given.out}, {given.out.stat().st_size / 1e3:.0f} kB, trained on all of these")
    told(read(given.out), {"by hand": by_hand()})


def told(weights: Weights, held: dict[str, list[Row]]) -> None:
    """Prints how weights, and a list of phrases, do on what they were not trained on."""
    print(f"rows are {', '.join(ANSWERS)}, columns answers")
    for name, rows in held.items():
        counts = confusion(partial(answer, weights), rows)
        base = alpha(confusion(lambda _, text: phrases(text), rows))
        print(f"{name}, {len(rows)}: α {alpha(counts):.3f}, of ten phrases {base:.3f}\n{counts}")


if __name__ == "__main__":
    main()
