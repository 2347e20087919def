"""One training run, whatever the method: rows, what is shown of them, the run, the model, its card.

The same command again continues an unfinished run from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trueline.files.errors import InputError
from trueline.records.store.claim import claim
from trueline.records.types import Example
from trueline.runs.options import check_options, decisive, settings
from trueline.runs.record import now, versions, write_record
from trueline.train import card, checkpoints, loading, memory
from trueline.train.card import Card
from trueline.train.data.training_set import show
from trueline.train.failures import DIVERGED, LESS_MEMORY, memory_errors_as_input_errors
from trueline.train.method import Method, O, TrainingContext
from trueline.train.options import TrainOptions, check_trackers
from trueline.train.plan import Plan, make_plan
from trueline.train.trl.quiet import quiet

if TYPE_CHECKING:
    from transformers import Trainer


@dataclass(frozen=True)
class _Outcome:
    """What came of the training."""

    trainer: Trainer
    need: memory.Memory
    peak: int
    resumed_from: int


def train(method: Method[O], options: O, examples: Iterable[Example] | None = None) -> Card:
    """Train by a method, into `options.out`; the Examples are `options.data`'s unless given.

    Raises InputError for a folder that is finished or another run's, for data that gives no row,
    for a chat template under which the mask would be wrong, if memory cannot suffice, and for a
    run that diverges: its weights are no model.
    """
    started, clock = now(), time.monotonic()
    _check_extra()
    check_options(options)
    check_trackers(options.report_to)
    if (options.out / card.CARD).exists():
        raise InputError(f"{options.out} is finished: choose another --out, or remove it")
    plan = make_plan(method, options, examples)
    with quiet(), _claim(plan), _recorded_if_it_fails(plan, started):
        outcome = _run(plan)
        written = _make_card(plan, outcome, started, time.monotonic() - clock)
        if outcome.trainer.is_world_process_zero():
            _save(plan, outcome.trainer)
            write_record(plan.record(started, "complete"), options.out)
            card.write(written, options.out)
            shutil.rmtree(options.out / checkpoints.FOLDER, ignore_errors=True)
    return written


def _claim(plan: Plan[O]) -> AbstractContextManager[object]:
    """The folder, held by the process that writes."""
    if not _is_main():
        return contextlib.nullcontext()
    return claim(plan.options.out, plan.identity, f"trueline {plan.command}", plan.decisive)


@contextmanager
def _recorded_if_it_fails(plan: Plan[O], started: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if _is_main():
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            note = str(error) or type(error).__name__
            with contextlib.suppress(OSError):  # of a full disk, which the first error tells of
                write_record(plan.record(started, status, note), plan.options.out)
        raise


def _make_card(plan: Plan[O], outcome: _Outcome, started: str, seconds: float) -> Card:
    trainer, options = outcome.trainer, plan.options
    stored = settings(options)
    log = [dict(entry) for entry in trainer.state.log_history]
    return Card(
        method=plan.method.name,
        identity=plan.identity,
        options={name: stored[name] for name in decisive(options)} | {"model": plan.weights.name},
        base=plan.weights.name,
        base_identity=plan.base_identity,
        data=plan.training_set.data,
        template=plan.tokenizer.chat_template,
        dtype=loading.choose_dtype(options.lora_rank),
        device=outcome.need.device,
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        trained_parameters=outcome.need.gradients // memory.GRADIENT,
        learning_rate=plan.rate,
        steps=trainer.state.global_step,
        resumed_from=outcome.resumed_from,
        seed=options.seed,
        versions=versions(),
        memory=outcome.need,
        peak=outcome.peak,
        preview=plan.training_set.previews,
        log=log,
        metrics=card.summarise(log, plan.method.metrics),
        seconds=round(seconds, 1),
        started=started,
        finished=now(),
    )


def _run(plan: Plan[O]) -> _Outcome:
    """Train, from the last checkpoint if there is one."""
    from trueline.train.trl.progress import Progress

    loud = _is_main() and not plan.options.quiet
    if loud:
        show(plan.training_set)
    free = memory.measure_free()
    trainer = plan.method.trainer(_context(plan))
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            # peft does so for a LoRA on bfloat16, and not for a head that is trained whole: steps
            # finer than bfloat16 would be lost
            parameter.data = parameter.data.float()
    progress = Progress(plan.method.metrics, plan.options.quiet)
    trainer.add_callback(progress)
    need = _estimate(plan, trainer, free)
    begin = checkpoints.find_last(plan.options.out)
    step = checkpoints.step_of(begin) if begin else 0
    if begin and loud:
        print(f"continuing from step {step}", file=sys.stderr)
    with memory_errors_as_input_errors(lambda: trainer.state.global_step):
        trainer.train(resume_from_checkpoint=str(begin) if begin else None)
    if not all(bool(p.isfinite().all()) for p in trainer.model.parameters() if p.requires_grad):
        raise InputError(DIVERGED)
    return _Outcome(trainer, need, progress.peak, step)


def _context(plan: Plan[O]) -> TrainingContext[O]:
    """The model in memory, and what belongs to it."""
    from transformers import set_seed

    options, method = plan.options, plan.method
    set_seed(options.seed)  # before the weights that are new: a LoRA, a classifier's head
    return TrainingContext(
        options=options,
        model=loading.load_model(
            plan.weights,
            loading.choose_dtype(options.lora_rank),
            method.model,
            method.labels,
            plan.tokenizer.pad_token_id,
        ),
        tokenizer=plan.tokenizer,
        lora=loading.make_lora(options.lora_rank, method.model),
        arguments=_arguments(options, plan.rate),
        rows=plan.training_set.rows,
        folder=options.out / checkpoints.FOLDER / "rows",
    )


def _arguments(options: TrainOptions, rate: float) -> dict[str, object]:
    """The training arguments that every TRL configuration takes."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(options.out / checkpoints.FOLDER),
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


def _estimate(plan: Plan[O], trainer: Trainer, free: tuple[int, str]) -> memory.Memory:
    """The memory estimate, printed; InputError if not even the weights could be trained."""
    data, options = plan.training_set.data, plan.options
    longest = max(trainer.row_lengths())
    sequences = options.batch_size * plan.training_set.segments
    counted = int(sequences * longest * data.trained / data.tokens)
    need = memory.estimate(
        trainer.model, free, sequences, longest, counted, options.gradient_checkpointing
    )
    if _is_main() and not options.quiet:
        print(need.text(), file=sys.stderr)
    if need.fixed > need.available:
        raise InputError(f"{need.text()}: it cannot fit. Use a LoRA, or a smaller model")
    if need.total > need.available and _is_main():
        print(f"trueline: {need.text()}: it may not fit. {LESS_MEMORY}", file=sys.stderr)
    return need


def _save(plan: Plan[O], trainer: Trainer) -> None:
    """The model's folder: weights as they were trained, tokenizer, chat template."""
    options, model = plan.options, trainer.accelerator.unwrap_model(trainer.model)
    extra: dict[str, bool] = {}
    if options.lora_rank and options.save == "merged":
        model = model.merge_and_unload()
    elif options.lora_rank:
        settings = model.peft_config["default"]
        settings.base_model_name_or_path = loading.name_base(
            plan.weights, options.model, options.out
        )
        # the vocabulary is never changed here, so an adapter needs no embeddings of its own
        extra["save_embedding_layers"] = False
    if plan.method.model == "causal":
        ends = [plan.tokenizer.eos_token_id, *loading.read_stop_ids(plan.weights)]
        ends += sorted(plan.training_set.ends)
        model.generation_config.eos_token_id = list(dict.fromkeys(ends))
    model.save_pretrained(options.out, **extra)
    plan.tokenizer.save_pretrained(options.out)


def _is_main() -> bool:
    """Whether this is the process that writes and speaks, of those that train together."""
    return os.environ.get("RANK", "0") == "0"


def _check_extra() -> None:
    try:
        import datasets  # noqa: F401
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise InputError(f"training needs {error.name}: pip install 'trueline[train]'") from None
