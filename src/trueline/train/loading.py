"""The model to train, by its name: weights, tokenizer, chat template, and what it was."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trueline.files.errors import InputError
from trueline.files.lines import read_text
from trueline.models.local.weights import Weights, identify
from trueline.models.open import locate
from trueline.train.method import ModelKind
from trueline.train.options import TrainOptions

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_PEFT_TASKS: dict[ModelKind, str] = {"causal": "CAUSAL_LM", "classifier": "SEQ_CLS"}


def find_weights(options: TrainOptions, kind: ModelKind) -> tuple[Weights, str]:
    """Where the model lies, and its identity: that under which it answers here.

    Raises InputError if there is no such model, and for an adapter that could not be opened.
    """
    import torch

    weights = locate(options.model)
    if options.save == "adapter":
        _check_adapter(options, weights, kind)
    running = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    return weights, identify(weights, str(running)).identity


def _check_adapter(options: TrainOptions, weights: Weights, kind: ModelKind) -> None:
    if not options.lora_rank:
        raise InputError("--save adapter needs a LoRA: --lora-rank over 0")
    if weights.adapter is not None:
        raise InputError(
            f"--save adapter: {options.model} is an adapter itself, and a second one on top could "
            "not be loaded alone: use --save merged, or train from its base"
        )
    if kind == "classifier":
        raise InputError("--save adapter: a classifier is opened whole only: use --save merged")


def load_tokenizer(
    weights: Weights, name: str, chat_template: Path | None
) -> PreTrainedTokenizerFast:
    """The model's tokenizer with the chat template that counts: the one asked for, the adapter's,
    the model's.  Raises InputError if it has no end token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights.tokenizer)
    if weights.template is not None:
        tokenizer.chat_template = weights.template
    if chat_template is not None:
        tokenizer.chat_template = read_text(chat_template)
    if tokenizer.eos_token_id is None:
        raise InputError(f"{name}: its tokenizer has no end token, so nothing could stop")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def choose_dtype(lora_rank: int) -> str:
    """The weights' type while they are trained, and when they are saved.

    float32 on a CPU (bfloat16 is some 30 times slower there) and if every weight is trained
    (mixed precision keeps float32 masters); a LoRA on a GPU rests on bfloat16.
    """
    import torch

    return "bfloat16" if torch.cuda.is_available() and lora_rank else "float32"


def load_model(
    weights: Weights, dtype: str, kind: ModelKind, labels: Sequence[str], pad: int
) -> PreTrainedModel:
    """The model in memory, its adapter merged in; a classifier has an output for each label, which
    is new unless the weights are a classifier's already.  `pad` is its padding token."""
    if kind == "causal":
        model = _load_causal(weights, dtype)
    else:
        model = _load_classifier(weights, dtype, labels)
        model.config.get_text_config().pad_token_id = pad
    # peft leaves what it merged frozen; a LoRA on top freezes the rest again
    return model.requires_grad_(True)


def _load_causal(weights: Weights, dtype: str) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(weights.base, dtype=dtype, use_safetensors=True)
    if weights.adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(weights.adapter)).merge_and_unload()
    return model


def _load_classifier(weights: Weights, dtype: str, labels: Sequence[str]) -> PreTrainedModel:
    from transformers import AutoModelForSequenceClassification

    from trueline.models.local.engine import quiet

    with quiet():  # that the head is new is meant
        model = AutoModelForSequenceClassification.from_pretrained(
            weights.base,
            dtype=dtype,
            use_safetensors=True,
            id2label=dict(enumerate(labels)),
            label2id={label: i for i, label in enumerate(labels)},
        )
    if weights.adapter is not None:
        # a language model's adapter fits that alone: it is merged there, and the body taken over
        body = _load_causal(weights, dtype).base_model
        model.base_model.load_state_dict(body.state_dict())
    return model


def make_lora(rank: int, kind: ModelKind) -> LoraConfig | None:
    """The LoRA to train, on every linear layer but the head; None if all weights are trained.

    A classifier's head is trained whole beside it (peft does so for the task type SEQ_CLS): it is
    new, and would stay random.
    """
    if not rank:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type=_PEFT_TASKS[kind]
    )


def read_stop_ids(weights: Weights) -> list[int]:
    """The token ids at which the model's generation stops."""
    from transformers import GenerationConfig

    if not (weights.base / "generation_config.json").is_file():
        return []
    ids = GenerationConfig.from_pretrained(weights.base).eos_token_id
    return [] if ids is None else ids if isinstance(ids, list) else [ids]


def name_base(weights: Weights, model: str, out: Path) -> str:
    """The base as an adapter's configuration should name it, for `open_model` to find it."""
    if model == "nano" or model.startswith("nano:"):
        return "nano"
    if model.startswith("hf:"):
        return model.removeprefix("hf:").partition("@")[0]
    return os.path.relpath(weights.base, out)
