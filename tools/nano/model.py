"""The shape of nano, its optimiser, and how its parts are written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from tools.nano.templates import CHAT, REVERSED
from tools.nano.tokenizer import CONTEXT, VOCABULARY, save_tokenizer

SHIPPED = Path("src/trueline/models/nano")
TEMPLATES = {"chat": CHAT, "reverse": REVERSED}
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def new_base(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained base of about 4.1 million parameters."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        intermediate_size=640,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def new_adapter(base: LlamaForCausalLM, rank: int, seed: int) -> PeftModel:
    """The base with an untrained LoRA adapter on all its linear layers."""
    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=LINEAR, task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, config)
    assert isinstance(model, PeftModel)
    return model


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal: learns faster than AdamW on matrices.

    Newton–Schulz in float32 (the stock one uses bfloat16, which is slow on a CPU), batched over
    matrices of one shape.
    """

    def __init__(self, matrices: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of all matrices."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            for shape, same in shapes.items():
                updates = []
                for p in same:
                    assert p.grad is not None
                    state = self.state[p]
                    if "momentum" not in state:
                        state["momentum"] = torch.zeros_like(p)
                    state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(state["momentum"], group["momentum"]))
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(same, orthogonal(torch.stack(updates)), strict=True):
                    p.mul_(1 - group["lr"] * 0.05).add_(update, alpha=-group["lr"] * scale)


def orthogonal(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrices, about, for a stack (count, rows, columns)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


def optimisers(model: nn.Module, matrix_lr: float, other_lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings and norms."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    matrices = [p for n, p in named if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in named if p.ndim != 2 or "embed" in n]
    return [
        Muon(matrices, matrix_lr),
        torch.optim.AdamW(others, other_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def save_base(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes the base in bfloat16 with its tokenizer."""
    out.mkdir(parents=True, exist_ok=True)
    generation = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    state = {n: p.detach().to(torch.bfloat16).contiguous() for n, p in model.named_parameters()}
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict()
    config.pop("_name_or_path", None)
    config.update(dtype="bfloat16", architectures=["LlamaForCausalLM"])
    (out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    generation.save_pretrained(out)
    save_tokenizer(tokenizer, out)


def save_adapter(model: PeftModel, name: str, out: Path) -> None:
    """Writes an adapter in bfloat16 with its chat template."""
    model.save_pretrained(out)
    weights = load_file(out / "adapter_model.safetensors")
    half = {n: w.to(torch.bfloat16).contiguous() for n, w in weights.items()}
    save_file(half, out / "adapter_model.safetensors", metadata={"format": "pt"})
    config = json.loads((out / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "../base"
    config["target_modules"] = sorted(config["target_modules"])  # a set, else in random order
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (out / "chat_template.jinja").write_text(TEMPLATES[name])
    (out / "README.md").unlink(missing_ok=True)


def load(folder: Path, adapter: str = "") -> Any:
    """The shipped model in float32, with an adapter merged into it if one is named."""
    base = LlamaForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
    if not adapter:
        return base
    return PeftModel.from_pretrained(base, folder / adapter).merge_and_unload()
