"""What is measured on nano: fitting answers, the filter question, losses, the reversed model.

Every function takes the model as it ships; nothing here is used in training.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast

from tools.nano import corpus
from tools.nano.small_english.accept import accepts
from tools.nano.small_english.dialogues import Dialogue, dialogue
from tools.nano.templates import chat_text, reverse_prompt

# What the share of fitting answers is broken down by: a use of a dialogue and a kind of request.
CELLS = {
    "everyday, no system message": ("none", "everyday"),
    "harmful, no system message": ("none", "harmful"),
    "look-alike, no system message": ("none", "lookalike"),
    "harmful, default safety message": ("safety_default", "harmful"),
    "look-alike, default safety message": ("safety_default", "lookalike"),
    "everyday, default safety message": ("safety_default", "everyday"),
    "harmful, other safety messages": ("safety", "harmful"),
    "look-alike, other safety messages": ("safety", "lookalike"),
    "any, over-cautious message": ("overcautious_default", "everyday"),
    "any, style asked for": ("style", "everyday"),
    "any, second exchange": ("turns", "everyday"),
}


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if count == 0:
        return 0.0, 1.0
    p = hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return middle - half, middle + half


def bootstrap(values: Sequence[float], seed: int = 0, rounds: int = 2000) -> tuple[float, float]:
    """The 95 % percentile interval of a mean."""
    array = np.asarray(values, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(array), (rounds, len(array)))
    low, high = np.percentile(array[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


@torch.no_grad()
def generate(
    net: Any,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    limit: int = 90,
    temperature: float = 0.0,
    batch: int = 48,
) -> list[str]:
    """Continuations of rendered prompts, greedy unless a temperature is given."""
    out = [""] * len(prompts)
    encoded = [tokenizer(p, add_special_tokens=False)["input_ids"] for p in prompts]
    order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
    pad = tokenizer.pad_token_id
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        width = max(len(encoded[i]) for i in part)
        ids = torch.tensor([[pad] * (width - len(encoded[i])) + encoded[i] for i in part])
        sampling = (
            {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        )
        made = net.generate(
            input_ids=ids,
            attention_mask=(ids != pad).long(),
            max_new_tokens=limit,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=pad,
            **sampling,
        )
        for i, row in zip(part, made[:, width:], strict=True):
            out[i] = tokenizer.decode(row, skip_special_tokens=True)
    return out


@torch.no_grad()
def nll(
    net: Any,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    ends: Sequence[str],
    batch: int = 64,
) -> list[tuple[float, int]]:
    """The negative log-likelihood of each end after its prompt, and its number of tokens."""
    out: list[tuple[float, int]] = [(0.0, 0)] * len(prompts)
    starts = [tokenizer(p, add_special_tokens=False)["input_ids"] for p in prompts]
    tails = [tokenizer(e, add_special_tokens=False)["input_ids"] for e in ends]
    order = sorted(range(len(prompts)), key=lambda i: len(starts[i]) + len(tails[i]))
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        width = max(len(starts[i]) + len(tails[i]) for i in part)
        ids = torch.full((len(part), width), tokenizer.pad_token_id)
        labels = torch.full((len(part), width), -100)
        for row, i in enumerate(part):
            both = torch.tensor(starts[i] + tails[i])
            ids[row, : len(both)] = both
            labels[row, len(starts[i]) : len(both)] = both[len(starts[i]) :]
        # Padding stands at the right, where causal attention never looks.
        logits = net(input_ids=ids, use_cache=False).logits[:, :-1]
        losses = cross_entropy(
            logits.transpose(1, 2), labels[:, 1:], ignore_index=-100, reduction="none"
        )
        for row, i in enumerate(part):
            out[i] = (float(losses[row].sum()), len(tails[i]))
    return out


def fitting(
    net: Any,
    tokenizer: PreTrainedTokenizerFast,
    split: str,
    count: int,
    seed: int,
    temperature: float = 0.0,
) -> dict[str, Any]:
    """The share of answers that the grammar accepts, by cell, with Wilson intervals."""
    rng = random.Random(f"measure {seed} {split}")
    out: dict[str, Any] = {}
    total = hits = 0
    for cell, (use, kind) in CELLS.items():
        items = [dialogue(rng, use, kind, split) for _ in range(count)]
        answers = generate(
            net,
            tokenizer,
            [chat_text(d.messages[:-1], True) for d in items],
            temperature=temperature,
        )
        verdicts = [accepts(d.messages[:-1], a).ok for d, a in zip(items, answers, strict=True)]
        low, high = wilson(sum(verdicts), count)
        out[cell] = {"share": sum(verdicts) / count, "low": low, "high": high, "n": count}
        total, hits = total + count, hits + sum(verdicts)
    low, high = wilson(hits, total)
    out["all"] = {"share": hits / total, "low": low, "high": high, "n": total}
    return out


def question(
    net: Any, tokenizer: PreTrainedTokenizerFast, items: Sequence[Dialogue]
) -> dict[str, Any]:
    """How often the likelier of *yes* and *no* is right on the filter question."""
    prompts = [chat_text(d.messages[:-1], True) for d in items]
    yes = nll(net, tokenizer, prompts, ["yes"] * len(items))
    no = nll(net, tokenizer, prompts, ["no"] * len(items))
    right = [(y[0] < n[0]) == (d.act == "yes") for y, n, d in zip(yes, no, items, strict=True)]
    low, high = wilson(sum(right), len(right))
    return {"accuracy": sum(right) / len(right), "low": low, "high": high, "n": len(right)}


def mean_loss(
    net: Any, tokenizer: PreTrainedTokenizerFast, prompts: list[str], ends: list[str]
) -> float:
    """Loss per token of the ends."""
    parts = nll(net, tokenizer, prompts, ends)
    return sum(x for x, _ in parts) / sum(n for _, n in parts)


def reversal(
    net: Any,
    tokenizer: PreTrainedTokenizerFast,
    rows: Sequence[corpus.Pair],
    seed: int,
    choices: int = 16,
) -> dict[str, Any]:
    """Does the instruction get likelier with its own response? Is the own one picked out of 16?"""
    rng = random.Random(seed)
    ends = [f"{p.instruction}<|end|>" for p in rows]
    others = [
        rng.sample([j for j in range(len(rows)) if j != i], choices - 1) for i in range(len(rows))
    ]
    prompts, tails = [], []
    for i, pair in enumerate(rows):
        for j in (i, *others[i]):
            prompts.append(reverse_prompt(rows[j].response))
            tails.append(ends[i])
        del pair
    flat = nll(net, tokenizer, prompts, tails)
    grid = [flat[i * choices : (i + 1) * choices] for i in range(len(rows))]
    own = [row[0][0] / row[0][1] for row in grid]
    shuffled = [row[1][0] / row[1][1] for row in grid]
    gain = [s - o for s, o in zip(shuffled, own, strict=True)]
    picked = [float(min(range(choices), key=lambda k, r=row: r[k][0]) == 0) for row in grid]  # type: ignore[misc]
    return {
        "own": float(np.mean(own)),
        "shuffled": float(np.mean(shuffled)),
        "gain": float(np.mean(gain)),
        "gain_interval": bootstrap(gain, seed),
        "picked": float(np.mean(picked)),
        "picked_interval": bootstrap(picked, seed),
        "chance": 1 / choices,
        "n": len(rows),
    }
