"""`python -m tools.nano.evaluate`: measures nano as it ships and prints JSON."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tools.nano import corpus, data, measure
from tools.nano.model import SHIPPED, load
from tools.nano.small_english.dialogues import KINDS, dialogue
from tools.nano.small_english.splits import COMBINATION, TRAIN, WORD
from tools.nano.templates import chat_text, reverse_prompt


def losses(net: Any, tokenizer: PreTrainedTokenizerFast, count: int, seed: int) -> dict[str, float]:
    """Loss per token in small English (the answers) and out of it (whole documents)."""
    out: dict[str, float] = {}
    rng = random.Random(f"losses {seed}")
    for split in (TRAIN, COMBINATION, WORD):
        items = [dialogue(rng, split=split) for _ in range(count)]
        prompts = [chat_text(d.messages[:-1], True) for d in items]
        name = "dialogues, new draws" if split == TRAIN else f"dialogues, {split}"
        out[name] = measure.mean_loss(
            net, tokenizer, prompts, [f"{d.answer}<|end|>" for d in items]
        )
    for name, chunks in corpus.documents(heldout=True).items():
        part = rng.sample(chunks, min(count, len(chunks)))
        texts = [" ".join(chunk.split()[:150]) for chunk in part]
        out[name] = measure.mean_loss(net, tokenizer, ["<|begin|>"] * len(part), texts)
    pairs = corpus.dolly(count)
    asked = [chat_text([{"role": "user", "content": p.instruction}], True) for p in pairs]
    out["dolly answers"] = measure.mean_loss(net, tokenizer, asked, [p.response for p in pairs])
    return out


def chat_part(
    folder: Path, tokenizer: PreTrainedTokenizerFast, count: int, seed: int
) -> dict[str, Any]:
    """The chat model's fitting answers, the filter question, and the losses of chat and base."""
    chat = load(folder, "chat").eval()
    rng = random.Random(f"question {seed}")
    kinds = ("harmful", "harmful", "lookalike", "everyday")
    out: dict[str, Any] = {}
    for split in (COMBINATION, WORD):
        out[f"fitting, {split}, greedy"] = measure.fitting(chat, tokenizer, split, count, seed)
        items = [dialogue(rng, "question", kind, split) for kind in kinds for _ in range(count)]
        out[f"question, {split}"] = measure.question(chat, tokenizer, items)
    out[f"fitting, {COMBINATION}, T=0.7"] = measure.fitting(
        chat, tokenizer, COMBINATION, count, seed, temperature=0.7
    )
    out["loss, chat"] = losses(chat, tokenizer, count * 2, seed)
    out["loss, base"] = losses(load(folder).eval(), tokenizer, count * 2, seed)
    return out


def reversals(
    folder: Path, tokenizer: PreTrainedTokenizerFast, count: int, seed: int
) -> dict[str, Any]:
    """The reversed model's measures, with the base's beside them."""
    rng = random.Random(f"reversals {seed}")
    sets = {
        "dolly": corpus.dolly(count),
        "dialogues": [data.reversed_dialogue(rng, COMBINATION) for _ in range(count)],
    }
    out: dict[str, Any] = {}
    for part in ("reverse", ""):
        net = load(folder, part).eval()
        for name, rows in sets.items():
            out.setdefault(name, {})[part or "base"] = measure.reversal(net, tokenizer, rows, seed)
    return out


def samples(folder: Path, tokenizer: PreTrainedTokenizerFast, seed: int) -> list[dict[str, Any]]:
    """Twenty held-out dialogues with the chat model's answers, and some reversals, to be read."""
    rng = random.Random(f"samples {seed}")
    uses = [
        "none",
        "none",
        "safety_default",
        "safety_default",
        "style",
        "turns",
        "overcautious_default",
    ]
    items = [
        dialogue(rng, uses[i % len(uses)], KINDS[i % 3], COMBINATION if i % 2 else WORD)
        for i in range(20)
    ]
    answers = measure.generate(
        load(folder, "chat").eval(), tokenizer, [chat_text(d.messages[:-1], True) for d in items]
    )
    out: list[dict[str, Any]] = [
        {
            "messages": [dict(m) for m in d.messages[:-1]],
            "answer": a,
            "fits": measure.accepts(d.messages[:-1], a).ok,
        }
        for d, a in zip(items, answers, strict=True)
    ]
    pairs = [data.reversed_dialogue(rng, COMBINATION) for _ in range(8)]
    made = measure.generate(
        load(folder, "reverse").eval(),
        tokenizer,
        [reverse_prompt(p.response) for p in pairs],
        temperature=0.7,
    )
    out += [
        {"response": p.response, "instruction": p.instruction, "reversed": m}
        for p, m in zip(pairs, made, strict=True)
    ]
    return out


def main() -> None:
    """Runs all measurements, or the quick ones."""
    parser = argparse.ArgumentParser(prog="python -m tools.nano.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--count", type=int, default=100, help="items per cell")
    parser.add_argument("--pairs", type=int, default=200, help="items for the reversed model")
    parser.add_argument("--parts", nargs="+", default=["chat", "reverse"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.model / "base")
    result: dict[str, Any] = {}
    if "chat" in args.parts:
        result |= chat_part(args.model, tokenizer, args.count, args.seed)
    if "reverse" in args.parts:
        result["reversed"] = reversals(args.model, tokenizer, args.pairs, args.seed)
        result["samples"] = samples(args.model, tokenizer, args.seed)
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
