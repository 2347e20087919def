"""One training run, whatever the method: rows, what is shown of them, the run, the model, its card.

The same command again continues an unfinished run from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.models.local.weights import Weights
from trueline.records.store.dataset import claim
from trueline.records.types import Example
from trueline.runs.run import identity, now, versions
from trueline.train import card, loading, memory
from trueline.train.card import Card
from trueline.train.data.rows import Rows, Turns, encoded, show
from trueline.train.data.tokens import Encoder
from trueline.train.options import DISPLAY, TrainOptions, check
from trueline.train.trl.quiet import quiet

CHECKPOINTS = "checkpoints"
MEND = (
    "Lower --batch-size and raise --gradient-accumulation by the same factor, use "
    "--gradient-checkpointing, or lower --max-length"
)
DIVERGED = (
    "the training has diverged: a loss, a gradient or a weight is not a number. Lower "
    "--learning-rate, and choose another --out"
)


class Method(Struct, frozen=True):
    """What makes a method: which turns of an Example it learns, and the TRL trainer that does it.

    `rates` are the learning rates with a LoRA and without; `template` makes the chat template
    that the method installs.  `trainer` gets model, tokenizer, data, options and the common
    training arguments, and builds the trainer; data(configuration) gives the rows.
    """

    name: str
    rates: tuple[float, float]
    turns: Turns
    trainer: Callable[..., Any]
    template: Callable[[Any], str] | None = None


class _Plan(Struct, frozen=True):
    """What is settled before anything heavy is loaded."""

    identity: str
    config: dict[str, Any]
    weights: Weights
    base_identity: str
    encoder: Any
    rows: Rows
    rate: float


def train(method: Method, options: Any, examples: Iterable[Example] | None = None) -> Card:
    """Train by a method, into `options.out`; the Examples are `options.data`'s unless given.

    Raises InputError for a folder that is finished or another run's, for data that gives no row,
    for a chat template under which the mask would be wrong, where memory cannot suffice, and for
    a run that diverges: its weights are no model.
    """
    started, clock = now(), time.monotonic()
    _extra()
    check(options)
    _trackers(options.report_to)
    if (options.out / card.CARD).exists():
        raise InputError(f"{options.out} is finished: choose another --out, or remove it")
    plan = _plan(method, options, examples)
    command = f"trueline train {method.name}"
    with quiet(), claim(options.out, plan.identity, command) if _main() else _nothing():
        trainer, need, resumed = _trained(method, options, plan)
        found = Card(
            method=method.name,
            identity=plan.identity,
            options=plan.config,
            base=plan.weights.name,
            base_identity=plan.base_identity,
            data=plan.rows.data,
            template=plan.encoder.tokenizer.chat_template,
            dtype=loading.dtype(options),
            device=need.device,
            parameters=sum(p.numel() for p in trainer.model.parameters()),
            trained_parameters=need.gradients // memory.GRADIENT,
            learning_rate=plan.rate,
            steps=trainer.state.global_step,
            resumed_from=resumed,
            seed=options.seed,
            versions=versions(),
            memory=need,
            peak=trainer.progress.peak,
            preview=plan.rows.previews,
            log=[dict(entry) for entry in trainer.state.log_history],
            seconds=round(time.monotonic() - clock, 1),
            started=started,
            finished=now(),
        )
        if trainer.is_world_process_zero():
            _save(trainer, plan, options)
            card.write(found, options.out)
            shutil.rmtree(options.out / CHECKPOINTS, ignore_errors=True)
    return found


def _trained(method: Method, options: Any, plan: _Plan) -> tuple[Any, memory.Memory, int]:
    """The trainer when it is done, the memory estimate, and the step that it began from."""
    if _main():
        show(plan.rows)
    free = memory.available()
    model = loading.model(options, plan.weights)
    given = arguments(options, plan.rate)
    data = partial(_dataset, plan.rows, options.out / CHECKPOINTS / "rows")
    trainer = method.trainer(model, plan.encoder.tokenizer, data, options, given)
    need = _need(trainer, plan.rows, options, free)
    begin = _checkpoint(options.out)
    if begin and _main():
        print(f"continuing from step {_step(begin)}", file=sys.stderr)
    _run(trainer, begin)
    if not all(bool(p.isfinite().all()) for p in trainer.model.parameters() if p.requires_grad):
        raise InputError(DIVERGED)
    return trainer, need, _step(begin) if begin else 0


def _dataset(rows: Rows, folder: Path, config: Any) -> Any:
    """The rows on disk, the longest first: one copy for all processes, and what TRL computes of
    them (the reference) is kept beside them and found again by a resumed run."""
    from datasets import Dataset, load_from_disk

    with config.main_process_first(local=False, desc="writing the rows"):
        if not folder.exists():
            lengths = rows.columns["length"]
            order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
            columns = {name: [column[i] for i in order] for name, column in rows.columns.items()}
            part = folder.with_suffix(".part")
            Dataset.from_dict(columns).save_to_disk(part)
            part.rename(folder)
    return load_from_disk(folder)


def _plan(method: Method, options: Any, examples: Iterable[Example] | None) -> _Plan:
    weights, base_identity = loading.find(options)
    tokenizer = loading.tokenizer(options, weights)
    if method.template is not None:
        tokenizer.chat_template = method.template(tokenizer)
    encoder = Encoder(tokenizer, loading.stops(weights))
    rows = encoded(method.turns, options, encoder, examples)
    given = msgspec.to_builtins(options, enc_hook=str)
    config = {k: v for k, v in given.items() if k not in DISPLAY} | {"model": weights.name}
    found = identity(
        f"train {method.name}",
        config=config,
        data=rows.data.hash,
        base=base_identity,
        template=tokenizer.chat_template,
    )
    rate = options.learning_rate or method.rates[0 if options.lora_rank else 1]
    return _Plan(found, config, weights, base_identity, encoder, rows, rate)


def arguments(options: TrainOptions, rate: float) -> dict[str, Any]:
    """The training arguments that every TRL configuration takes."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(options.out / CHECKPOINTS),
        "num_train_epochs": options.epochs,
        "max_steps": options.max_steps or -1,
        "per_device_train_batch_size": options.batch_size,
        "gradient_accumulation_steps": options.gradient_accumulation,
        "gradient_checkpointing": options.gradient_checkpointing,
        "learning_rate": rate,
        "lr_scheduler_type": options.schedule,
        "warmup_steps": options.warmup,
        "seed": options.seed,
        "bf16": cuda,
        "dataloader_pin_memory": cuda,
        "save_strategy": "steps",
        "save_steps": options.checkpoint_steps,
        "save_total_limit": 1,
        "logging_steps": options.log_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # it would show the last good loss in place of a NaN
        "report_to": list(options.report_to) or "none",
        "disable_tqdm": True,
    }


def _need(trainer: Any, rows: Rows, options: Any, free: tuple[int, str]) -> memory.Memory:
    """The memory estimate, said; InputError where not even the weights could be trained."""
    data = rows.data
    sides = 2 if "chosen_ids" in rows.columns else 1
    longest = options.max_length if getattr(options, "packing", False) else data.longest
    at_once = options.batch_size * sides
    counted = int(at_once * longest * data.trained / data.tokens)
    need = memory.estimate(
        trainer.model, free, at_once, longest, counted, options.gradient_checkpointing
    )
    if _main():
        print(need.text(), file=sys.stderr)
    if need.fixed > need.available:
        raise InputError(f"{need.text()}: it cannot fit. Use a LoRA, or a smaller model")
    if need.total > need.available and _main():
        print(f"trueline: it may not fit. {MEND}", file=sys.stderr)
    return need


def _run(trainer: Any, begin: Path | None) -> None:
    import torch

    try:
        trainer.train(resume_from_checkpoint=str(begin) if begin else None)
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"out of memory at step {trainer.state.global_step + 1}. {MEND}"
        ) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise InputError(
            f"out of memory at step {trainer.state.global_step + 1}. {MEND}"
        ) from error


def _checkpoint(out: Path) -> Path | None:
    """The last whole checkpoint: the trainer writes its state last, and not in one piece."""
    states = (out / CHECKPOINTS).glob("checkpoint-*/trainer_state.json")
    found = sorted((state.parent for state in states if _readable(state)), key=_step)
    return found[-1] if found else None


def _readable(state: Path) -> bool:
    try:
        json.loads(state.read_bytes())
    except ValueError:
        return False
    return True


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _save(trainer: Any, plan: _Plan, options: Any) -> None:
    """The model's folder: weights as they were trained, tokenizer, chat template."""
    model, tokenizer = trainer.accelerator.unwrap_model(trainer.model), plan.encoder.tokenizer
    kept: dict[str, Any] = {}
    if options.lora_rank and options.save == "merged":
        model = model.merge_and_unload()
    elif options.lora_rank:
        settings = model.peft_config["default"]
        settings.base_model_name_or_path = loading.named(plan.weights, options.model, options.out)
        # the vocabulary is never changed here, so an adapter needs no embeddings of its own
        kept["save_embedding_layers"] = False
    stop = [tokenizer.eos_token_id, *loading.stops(plan.weights), *sorted(plan.rows.ends)]
    model.generation_config.eos_token_id = list(dict.fromkeys(stop))
    model.save_pretrained(options.out, **kept)
    tokenizer.save_pretrained(options.out)


def _trackers(names: tuple[str, ...]) -> None:
    """InputError for a tracker that transformers does not know, or that is not installed."""
    if not names:
        return
    from transformers.integrations import get_available_reporting_integrations

    here = sorted(get_available_reporting_integrations())
    for name in names:
        if name not in here:
            known = ", ".join(here) or "none"
            raise InputError(
                f"--report-to {name}: no such tracker is installed (there are: {known})"
            )


def _nothing() -> Any:
    return contextlib.nullcontext()


def _main() -> bool:
    """Whether this is the process that writes and speaks, of those that train together."""
    return os.environ.get("RANK", "0") == "0"


def _extra() -> None:
    try:
        import datasets  # noqa: F401
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise InputError(f"training needs {error.name}: pip install 'trueline[train]'") from None
