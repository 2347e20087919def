"""A model small enough to train in a test: two layers of 32, a byte-level tokenizer, ChatML."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trueline.policy.preference import preference_label
from trueline.records.types import Example, LabellerId, Message, Response, with_labels

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>"]


def tiny_tokenizer(template: str = CHATML):
    """Bytes, with a few merges; its end token is <|im_end|>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(["system user assistant the tea is warm and the cat sleeps"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=template,
    )


def tiny_model(folder: Path, template: str = CHATML) -> Path:
    """A model folder with random weights, always the same."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tiny_tokenizer(template)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


WORDS = ["tea", "cat", "rain", "bread", "moon", "boat", "lamp", "song", "leaf", "coin"]


def pair(number: int) -> Example:
    """Number i: the chosen response stands now first, now second."""
    word = WORDS[number % len(WORDS)]
    good = Response((Message("assistant", f"the {word} is warm"),))
    bad = Response((Message("assistant", f"no {word} at all, no"),))
    chosen = number % 2
    example = Example.new(
        [Message("user", f"{number} {'very ' * (number % 5)}what of the {word}?")],
        [bad, good] if chosen else [good, bad],
    )
    label = preference_label(example, chosen, 1 - chosen, LabellerId("derived", "test"))
    return with_labels(example, label)


PAIRS = [pair(i) for i in range(20)]
SINGLES = [msgspec.structs.replace(e, labels=(), responses=e.responses[:1]) for e in PAIRS]
TALKS = [
    msgspec.structs.replace(
        e, prompt=(Message("user", "well?"), Message("assistant", "the rain is warm"), *e.prompt)
    )
    for e in PAIRS
]
