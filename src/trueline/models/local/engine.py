"""A loaded base model with its adapters, and the batches that run through it.

Models of one process that share a base share its engine.  Requests are gathered while the engine
is busy or the queue still fills, sorted by length, and cut into batches that never mix adapters.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trueline.files.errors import InputError
from trueline.models.contract import Completion, ModelError
from trueline.models.local import activations
from trueline.models.local.batching import TOKENS, Batcher, run_halving, split
from trueline.models.local.work import (
    AdapterSession,
    Kind,
    Request,
    Work,
    families,
    read_request,
)
from trueline.records.types import Message

if TYPE_CHECKING:
    from trueline.models.local.decode import Answer

NUMBERS = {"cpu": 2**26, "cuda": 2**29}  # that a batch may hold in logits, or in activations
WINDOW = 1 << 20  # of a model that states no longest input


class Engine:
    """Loads at its first request; `rows` bounds a batch."""

    def __init__(self, base: Path, device: str, dtype: torch.dtype, rows: int) -> None:
        self.users = 0
        self._base, self._device, self._dtype, self._rows = base, device, dtype, rows
        self._model: Any = None
        self._adapters: set[str] = set()
        self._batcher = Batcher[Request](self._serve, rows=rows, name=f"model {base.name}")

    def submit(self, request: Request) -> None:
        """Queues a request; its reply is given on its caller's loop."""
        self._batcher.submit(request)

    def stop(self) -> None:
        """Returns when what is queued has been answered; the model is then let go."""
        self._batcher.stop()
        self._model = None

    # ---- the thread --------------------------------------------------------------------------

    def _serve(self, requests: Sequence[Request]) -> None:
        works: dict[tuple[str | None, Kind], list[Work]] = {}
        for request in requests:
            for work in self._read(request):
                works.setdefault((request.session.adapter, work.kind), []).append(work)
        for (_, kind), group in works.items():
            for family in families(group) if kind == "loglikelihood" else [group]:
                for batch in self._batches(family, kind):
                    self._answer(batch, kind)

    def _read(self, request: Request) -> list[Work]:
        """The request's rows; what cannot be read is answered with its error."""
        try:
            with quiet():
                self._load(request.session)
                self._check_layers(request)
                return list(read_request(request, self._window()))
        except Exception as error:
            request.fail(error)
            return []

    def _batches(self, works: list[Work], kind: Kind) -> Iterator[list[Work]]:
        """Works of like length together, the longest first."""
        works.sort(key=lambda work: work.order, reverse=True)
        config = self._model.config.get_text_config()
        logits = config.vocab_size if kind == "loglikelihood" else 0
        stream = config.hidden_size * (config.num_hidden_layers + 1) if kind == "activations" else 0
        tokens, numbers = TOKENS[self._device], NUMBERS[self._device]

        def fits(batch: Sequence[Work]) -> bool:
            rows, after = len(batch), max(work.after for work in batch)
            width = max(len(work.row.ids) for work in batch) + after
            return (
                rows <= self._rows
                and rows * width <= tokens
                and rows * (after * logits + width * stream) <= numbers
            )

        return split(works, fits)

    def _answer(self, batch: list[Work], kind: Kind) -> None:
        batch = [work for work in batch if not work.request.reply.future.done()]
        if not batch:
            return
        runs: dict[Kind, Callable[[Sequence[Work]], list[Any]]] = {
            "draw": self._draw,
            "loglikelihood": self._score,
            "activations": self._activate,
        }

        def run(works: Sequence[Work]) -> list[Any]:
            try:
                return runs[kind](works)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                return [work.request.explain(error) for work in works]

        results = run_halving(batch, run, _no_memory)
        for work, result in zip(batch, results, strict=True):
            work.request.put(work.place, result, work.of)

    def _draw(self, batch: Sequence[Work]) -> list[Any]:
        from trueline.models.local import decode  # it needs transformers

        session = batch[0].request.session
        tokenizer, _ = session.load()
        with quiet(), self._adapt(session) as model:
            answers = decode.draw(model, tokenizer, self._ends(tokenizer), [w.row for w in batch])
        return [_completion(work, answer) for work, answer in zip(batch, answers, strict=True)]

    def _score(self, batch: Sequence[Work]) -> list[Any]:
        from trueline.models.local import loglikelihoods  # it needs transformers

        with self._adapt(batch[0].request.session) as model:
            sums = loglikelihoods.compute(model, 0, [work.row for work in batch])
        bad = ModelError(f"{batch[0].request.name}: the likelihood is not a number")
        return [each if math.isfinite(each.total) else bad for each in sums]

    def _activate(self, batch: Sequence[Work]) -> list[Any]:
        with self._adapt(batch[0].request.session) as model:
            means = activations.compute(model, 0, [work.row for work in batch])
        bad = ModelError(f"{batch[0].request.name}: an activation is not a number")
        return [each if each.isfinite().all() else bad for each in means]

    # ---- the model ---------------------------------------------------------------------------

    def _load(self, session: AdapterSession) -> None:
        session.load()
        if self._model is None:
            from transformers import AutoModelForCausalLM

            model = AutoModelForCausalLM.from_pretrained(
                self._base, dtype=self._dtype, use_safetensors=True
            )
            self._model = model.to(self._device).eval()
        if session.adapter is None or session.adapter in self._adapters:
            return
        from peft import PeftModel

        assert session.weights.adapter is not None
        if self._adapters:
            self._model.load_adapter(session.weights.adapter, adapter_name=session.adapter)
        else:
            self._model = PeftModel.from_pretrained(
                self._model, session.weights.adapter, adapter_name=session.adapter
            )
        self._model.to(self._device).eval()
        self._adapters.add(session.adapter)

    @contextlib.contextmanager
    def _adapt(self, session: AdapterSession) -> Iterator[Any]:
        """The model with the session's adapter in force, or none."""
        if session.adapter is not None:
            self._model.set_adapter(session.adapter, inference_mode=True)
            yield self._model
        elif self._adapters:
            with self._model.disable_adapter():
                yield self._model
        else:
            yield self._model

    def _ends(self, tokenizer: Any) -> set[int]:
        """Tokens that end an answer: the model's and the tokenizer's."""
        stated = self._model.generation_config.eos_token_id
        ends = set(stated if isinstance(stated, list) else [stated])
        return {int(token) for token in ends | {tokenizer.eos_token_id} if token is not None}

    def _window(self) -> int:
        return int(getattr(self._model.config, "max_position_embeddings", None) or WINDOW)

    def _check_layers(self, request: Request) -> None:
        last = int(self._model.config.get_text_config().num_hidden_layers)
        if outside := [layer for layer in request.layers if not 0 <= layer <= last]:
            raise InputError(
                f"{request.name} has no layer {outside[0]}: its layers are 0 to {last}"
            )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars, and no warnings: a run says itself how far it is, a text that is too long is an
    error of its own, and what transformers and peft say of each other's future helps nobody."""
    from transformers.utils import logging

    has_bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()


def _no_memory(work: Work) -> Exception:
    return ModelError(f"no memory for {work.length} tokens")


def _completion(work: Work, answer: Answer) -> Completion | ModelError:
    if answer.logprob is None:
        return ModelError(f"{work.request.name}: the model's logits are not numbers")
    return Completion(
        Message("assistant", answer.text),
        finish=answer.finish,
        folded=work.request.folded,
        prompt_tokens=len(work.row.ids),
        completion_tokens=answer.tokens,
        logprob=answer.logprob if work.row.sampling.logprobs else None,
    )
