"""Trains a part of nano within a budget of wall time; checkpoints, resumes, records.

The learning rate follows the share of the budget that is spent, so that a busy machine ends in
time with a finished schedule; the record says how many tokens were seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from tools.nano import data, model

RATES = {"base": (0.02, 0.004), "chat": (0.003, 0.0), "reverse": (0.003, 0.0)}
RANK = 32
WARM_STEPS = 20
DECAY_FROM = 0.45  # share of the budget after which the rate falls linearly to zero
CHECKPOINT_SECONDS = 240


def rate(share: float, step: int) -> float:
    """The factor on the learning rate at a share of the budget."""
    warm = min(1.0, (step + 1) / WARM_STEPS)
    return warm * max(0.02, min(1.0, (1 - share) / (1 - DECAY_FROM)))


def loss_of(body: Any, head: torch.nn.Module, batch: data.Batch) -> torch.Tensor:
    """Mean loss over the tokens that count; only they pay for the output layer."""
    positions = torch.arange(data.ROW).expand_as(batch.ids).contiguous()
    hidden = body(
        input_ids=batch.ids, attention_mask=batch.mask(), position_ids=positions, use_cache=False
    ).last_hidden_state
    counts = batch.labels != data.IGNORE
    return cross_entropy(head(hidden[counts]), batch.labels[counts])


def heldout_batches(part: str, tokenizer: PreTrainedTokenizerFast, seed: int) -> list[data.Batch]:
    """A few batches of the same mix from another seed, to follow the training by."""
    stream = data.samples(tokenizer, data.SOURCES[part](seed + 999), seed + 999)
    made = data.batches(stream, 16, tokenizer.pad_token_id)
    return [next(made) for _ in range(3)]


class Run:
    """One training run: the state that a checkpoint holds."""

    def __init__(self, part: str, work: Path, seed: int, seconds: float, rows: int) -> None:
        self.part, self.work, self.seed, self.seconds, self.rows = part, work, seed, seconds, rows
        self.tokenizer = AutoTokenizer.from_pretrained(work / "base")
        torch.manual_seed(seed)
        if part == "base":
            self.model: Any = model.new_base(self.tokenizer)
        else:
            base = LlamaForCausalLM.from_pretrained(work / "base", dtype=torch.float32)
            self.model = model.new_adapter(base, RANK, seed)
        self.optimisers = (
            model.optimisers(self.model, *RATES[part])
            if part == "base"
            else [
                torch.optim.AdamW(
                    [p for p in self.model.parameters() if p.requires_grad],
                    RATES[part][0],
                    betas=(0.9, 0.95),
                    weight_decay=0.01,
                )
            ]
        )
        self.rates = [o.param_groups[0]["lr"] for o in self.optimisers]
        self.step, self.tokens, self.spent = 0, 0, 0.0
        llama = self.model if part == "base" else self.model.get_base_model()
        self.body, self.head = llama.model, llama.lm_head

    @property
    def checkpoint(self) -> Path:
        """Where this run's state is kept while it trains."""
        return self.work / f"{self.part}.checkpoint.pt"

    def save(self) -> None:
        """Writes the state beside the last one and then takes its place."""
        trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        state = {
            "model": trained,
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
            "tokens": self.tokens,
            "spent": self.spent,
        }
        torch.save(state, self.checkpoint.with_suffix(".part"))
        self.checkpoint.with_suffix(".part").replace(self.checkpoint)

    def resume(self) -> None:
        """Takes up an earlier state if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"], strict=False)
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.tokens, self.spent = state["step"], state["tokens"], state["spent"]

    def batches(self) -> Iterator[data.Batch]:
        """The training stream; after a resume it goes on from a fresh seed, not from the start."""
        seed = self.seed + 7919 * self.step
        stream = data.samples(self.tokenizer, data.SOURCES[self.part](seed), seed)
        return data.batches(stream, self.rows, self.tokenizer.pad_token_id)

    def update(self, body: Any, batch: data.Batch) -> float:
        """One step; returns the loss."""
        factor = rate(self.spent / self.seconds, self.step)
        for optimiser, full in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = full * factor
        loss = loss_of(body, self.head, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step, self.tokens = self.step + 1, self.tokens + batch.tokens
        return float(loss.detach())


def train(
    part: str, work: Path, seed: int, seconds: float, rows: int = 16, compiled: bool = True
) -> None:
    """Trains one part and writes it, with a record of what it saw, into `work/part`."""
    run = Run(part, work, seed, seconds, rows)
    run.resume()
    body = torch.compile(run.body) if compiled else run.body
    checks = heldout_batches(part, run.tokenizer, seed)
    stream = run.batches()
    log = (work / f"{part}.log.jsonl").open("a")
    last, saved, recent = time.monotonic(), time.monotonic(), []
    while run.spent < seconds:
        recent.append(run.update(body, next(stream)))
        now = time.monotonic()
        run.spent, last = run.spent + now - last, now
        if run.step % 50 == 0:
            with torch.no_grad():
                # Uncompiled: a second graph would cost more than these few batches.
                check = sum(float(loss_of(run.body, run.head, b)) for b in checks) / len(checks)
            line = {
                "step": run.step,
                "tokens": run.tokens,
                "seconds": round(run.spent),
                "loss": round(sum(recent) / len(recent), 4),
                "check": round(check, 4),
            }
            print(json.dumps(line), file=log, flush=True)
            recent = []
        if now - saved > CHECKPOINT_SECONDS:
            run.save()
            saved = now
    finish(run)


def finish(run: Run) -> None:
    """Writes the trained part and its record, and drops the checkpoint."""
    if run.part == "base":
        model.save_base(run.model, run.tokenizer, run.work / "base")
    else:
        model.save_adapter(run.model, run.part, run.work / run.part)
    record = {
        "part": run.part,
        "seed": run.seed,
        "seconds": round(run.spent),
        "steps": run.step,
        "tokens": run.tokens,
        "rows": run.rows,
        "torch": torch.__version__,
    }
    (run.work / f"{run.part}.record.json").write_text(json.dumps(record) + "\n")
    run.checkpoint.unlink(missing_ok=True)
