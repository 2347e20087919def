"""A pass of DPO over 352 pairs with our plain LM head and with TRL's tiled one, in one run.

The model is nano's base; pairs are about 60 + 40
tokens.  Runs alternate, so that noise meets both alike; times include setup and reference.

    python benchmarks/dpo_head.py
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path

from trueline.models.open import locate
from trueline.policy.preference import preference_label
from trueline.records.types import Example, LabellerId, Message, Response, with_labels
from trueline.train.methods import preference
from trueline.train.run import train
from trueline.train.trl import trainers

ROUNDS, PAIRS = 3, 352
WORDS = "the boy took a red bike from the shop and rode home in the rain with his dog".split()
plain = trainers.plain_head


def pairs() -> list[Example]:
    """Random sentences of nano's words, as many tokens as words."""
    rng = random.Random(0)

    def text(mean: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(mean // 2, mean * 3 // 2)))

    made = []
    for _ in range(PAIRS):
        answers = [Response((Message("assistant", text(40)),)) for _ in range(2)]
        example = Example.new([Message("user", text(20))], answers)
        label = preference_label(example, 1, 0, LabellerId("derived", "benchmark"))
        made.append(with_labels(example, label))
    return made


def seconds(data: list[Example], model: Path, head: bool) -> float:
    """Wall time of one pass."""
    trainers.plain_head = plain if head else (lambda model: False)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        options = preference.Options(model=str(model), out=Path(folder) / "out", lora_rank=0)
        train(preference.METHOD, options, data)
        return time.perf_counter() - start


def main() -> None:
    """Alternate the two heads; print medians and their ratio."""
    data, nano = pairs(), locate("nano:base").base
    with tempfile.TemporaryDirectory() as folder:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(nano)
        tokenizer.chat_template = locate("nano").template
        tokenizer.save_pretrained(folder)
        AutoModelForCausalLM.from_pretrained(nano, dtype="float32").save_pretrained(folder)
        times: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(ROUNDS):
            for head in times:
                times[head].append(seconds(data, Path(folder), head))
    ours, theirs = (statistics.median(times[head]) for head in (True, False))
    print(f"plain head {ours:.1f} s, TRL's tiled head {theirs:.1f} s: {theirs / ours:.2f} x")


if __name__ == "__main__":
    main()
