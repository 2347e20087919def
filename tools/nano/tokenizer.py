"""nano's own tokenizer: byte-level BPE of 4,096 pieces, lossless on any Unicode text."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tools.nano import corpus
from tools.nano.small_english.dialogues import dialogues
from tools.nano.small_english.prose import prose

VOCABULARY = 4096
SPECIAL = [
    "<|pad|>",
    "<|begin|>",
    "<|end|>",
    "<|system|>",
    "<|developer|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
]
CONTEXT = 1024


def _texts(seed: int) -> Iterator[str]:
    """Mostly small English, so that its words become single pieces; the rest is general text."""
    for item in dialogues(seed, 40_000):
        for message in item.messages:
            yield message["content"]
    yield from itertools.islice(prose(seed), 30_000)
    rng = random.Random(seed)
    for chunks in corpus.documents(heldout=False).values():
        yield from rng.sample(chunks, min(3_000, len(chunks)))
    for rows in corpus.pairs(heldout=False).values():
        for pair in rng.sample(rows, min(1_500, len(rows))):
            yield pair.instruction
            yield pair.response


def train_tokenizer(seed: int, out: Path) -> PreTrainedTokenizerFast:
    """Learns the pieces from a seed and saves a tokenizer that AutoTokenizer can load."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(_texts(seed), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<|begin|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        extra_special_tokens=SPECIAL[3:],
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )
    save_tokenizer(fast, out)
    return fast


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes the tokenizer without traces of where it was loaded from."""
    tokenizer.save_pretrained(out)
    path = out / "tokenizer_config.json"
    config = json.loads(path.read_text())
    for key in ("is_local", "local_files_only", "name_or_path"):
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
