"""The model to train, by its name: weights, tokenizer, chat template, and what it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from trueline.files.errors import InputError
from trueline.files.lines import text_of
from trueline.models.local.weights import Weights, identified
from trueline.models.open import located
from trueline.train.options import TrainOptions


def find(options: TrainOptions) -> tuple[Weights, str]:
    """Where the model lies, and its identity: that under which it answers here."""
    import torch

    weights = located(options.model)
    if options.save == "adapter" and not options.lora_rank:
        raise InputError("--save adapter needs a LoRA: --lora-rank over 0")
    if options.save == "adapter" and weights.adapter is not None:
        raise InputError(
            f"--save adapter: {options.model} is an adapter itself, and a second one on top could "
            "not be loaded alone: use --save merged, or train from its base"
        )
    running = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    return weights, identified(weights, str(running)).identity


def tokenizer(options: TrainOptions, weights: Weights) -> Any:
    """The model's tokenizer with the chat template that counts: the one asked for, the adapter's,
    the model's."""
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(weights.tokenizer)
    if weights.template is not None:
        found.chat_template = weights.template
    if options.chat_template is not None:
        found.chat_template = text_of(options.chat_template)
    if found.eos_token_id is None:
        raise InputError(f"{options.model}: its tokenizer has no end token, so nothing could stop")
    if found.pad_token_id is None:
        found.pad_token = found.eos_token
    found.padding_side = "right"
    return found


def dtype(options: TrainOptions) -> str:
    """The weights' type while they are trained, and when they are saved.

    float32 on a CPU (bfloat16 is some 30 times slower there) and where every weight is trained
    (mixed precision keeps float32 masters); a LoRA on a GPU rests on bfloat16.
    """
    import torch

    return "bfloat16" if torch.cuda.is_available() and options.lora_rank else "float32"


def model(options: TrainOptions, weights: Weights) -> Any:
    """The model in memory, its adapter merged in."""
    from transformers import AutoModelForCausalLM

    found = AutoModelForCausalLM.from_pretrained(
        weights.base, dtype=dtype(options), use_safetensors=True
    )
    if weights.adapter is not None:
        from peft import PeftModel

        found = PeftModel.from_pretrained(found, str(weights.adapter)).merge_and_unload()
    # peft leaves what it merged frozen; a LoRA on top freezes the rest again
    return found.requires_grad_(True)


def lora(options: TrainOptions) -> Any:
    """The LoRA to train, on every linear layer but the head; None where all weights are trained."""
    if not options.lora_rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=options.lora_rank,
        lora_alpha=2 * options.lora_rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def stops(weights: Weights) -> list[int]:
    """The token ids at which the model's generation stops."""
    from transformers import GenerationConfig

    if not (weights.base / "generation_config.json").is_file():
        return []
    found = GenerationConfig.from_pretrained(weights.base).eos_token_id
    return [] if found is None else found if isinstance(found, list) else [found]


def named(weights: Weights, model: str, out: Path) -> str:
    """The base as an adapter's configuration should name it, for `open_model` to find it."""
    if model == "nano" or model.startswith("nano:"):
        return "nano"
    if model.startswith("hf:"):
        return model.removeprefix("hf:").partition("@")[0]
    return os.path.relpath(weights.base, out)
