"""A loaded base model with its adapters, and the thread that runs batches through it.

Models of one process that share a base share its engine.  Requests are gathered while the engine
is busy or the queue still fills, sorted by length, and cut into batches that never mix adapters.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from trueline.models.contract import Completion, Fatal, ModelError
from trueline.models.local.templates import Template
from trueline.models.local.weights import Weights
from trueline.records.types import Message, Sampling

QUIET_S = 0.004  # the queue is taken to be filled when nothing came for so long
GATHER_S = 0.05
TOKENS = {"cpu": 16_384, "cuda": 131_072}  # of a batch, prompt and answer, padding included
LOGITS = {"cpu": 2**26, "cuda": 2**29}  # numbers a batch may hold in logits while scoring
FAMILY = 4  # prompts that begin alike, for which batches of their own pay
WINDOW = 1 << 20  # where a model states no longest input


@dataclass
class Face:
    """What a request is read and answered by: an adapter (None: the base) and its tokenizer."""

    weights: Weights
    adapter: str | None
    _loaded: tuple[Any, Template] | None = None

    def load(self) -> tuple[Any, Template]:
        """The tokenizer and its template; only the engine's thread may use them."""
        if self._loaded is None:
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(self.weights.tokenizer)
            if self.weights.template is not None:
                tokenizer.chat_template = self.weights.template
            self._loaded = tokenizer, Template(tokenizer, plain=self.weights.plain)
        return self._loaded


@dataclass(eq=False)
class Request:
    """Samples `seeds` of a conversation's answers, or the likelihoods of `continuations`."""

    face: Face
    messages: Sequence[Message]
    sampling: Sampling
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[Any]]
    seeds: list[int] = field(default_factory=list)
    continuations: Sequence[str] = ()
    results: dict[int, Any] = field(default_factory=dict)
    folded: str | None = None

    def put(self, place: int, result: Any, of: int) -> None:
        """Takes the result of one row; with the last, or an error, the caller is answered."""
        if isinstance(result, Exception):
            self._answer(result)
            return
        self.results[place] = result
        if len(self.results) == of:
            self._answer([self.results[i] for i in range(of)])

    def _answer(self, outcome: list[Any] | Exception) -> None:
        def resolve() -> None:
            if self.future.done():
                return
            if isinstance(outcome, Exception):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)

        with contextlib.suppress(RuntimeError):  # the caller's loop is gone, and so is the caller
            self.loop.call_soon_threadsafe(resolve)


@dataclass
class _Work:
    """A row, and the place in a request that it answers."""

    request: Request
    place: int
    of: int
    row: Any  # decode.Row, which needs transformers

    @property
    def length(self) -> int:
        return len(self.row.ids) + self.behind

    @property
    def behind(self) -> int:
        return len(self.row.tail) + int(self.row.limit)

    @property
    def order(self) -> tuple[int, list[int], int]:
        """By length, and rows of one prompt next to one another."""
        return len(self.row.ids) + int(self.row.limit), self.row.ids, len(self.row.tail)


class Engine:
    """Loads at its first request; `rows` bounds a batch."""

    def __init__(self, base: Path, device: str, dtype: torch.dtype, rows: int) -> None:
        self.users = 0
        self._base, self._device, self._dtype, self._rows = base, device, dtype, rows
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._model: Any = None
        self._adapters: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"model {base.name}", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Queues a request; its future is resolved on its loop."""
        self._queue.put(request)

    def stop(self) -> None:
        """Ends the thread when what is queued has been answered."""
        self._queue.put(None)
        self._thread.join()

    # ---- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        while (requests := self._gather()) != [None]:
            try:
                self._serve([request for request in requests if request is not None])
            except Exception as error:  # else these callers, and all later ones, wait for ever
                for request in requests:
                    if request is not None:
                        request.put(0, _fatal(request, error), 1)
        self._model = None

    def _serve(self, requests: Sequence[Request]) -> None:
        works: dict[tuple[str | None, bool], list[_Work]] = {}
        for request in requests:
            for work in self._read(request):
                kind = (request.face.adapter, bool(work.row.tail))
                works.setdefault(kind, []).append(work)
        for (_, scoring), group in works.items():
            for family in _families(group) if scoring else [group]:
                for batch in self._batches(family, scoring):
                    self._answer(batch, scoring)

    def _gather(self) -> list[Request | None]:
        """The requests that are there, waiting a little for more; None, to end, comes alone."""
        gathered: list[Request | None] = [self._queue.get()]
        waited = 0.0
        while gathered[-1] is not None and waited < GATHER_S:
            try:
                gathered.append(self._queue.get(timeout=QUIET_S))
                waited += QUIET_S / self._rows
            except queue.Empty:
                break
        if gathered[-1] is None and len(gathered) > 1:
            self._queue.put(gathered.pop())
        return gathered

    def _read(self, request: Request) -> list[_Work]:
        """The request's rows; what cannot be read is answered with its error."""
        try:
            with quiet():
                self._load(request.face)
                return list(_works(request, self._window()))
        except Exception as error:
            request.put(0, error if isinstance(error, ModelError) else _fatal(request, error), 1)
            return []

    def _batches(self, works: list[_Work], scoring: bool) -> Iterator[list[_Work]]:
        """Works of like length together, the longest first."""
        works.sort(key=lambda work: work.order, reverse=True)
        vocabulary = self._model.config.vocab_size
        batch: list[_Work] = []
        for work in works:
            size = len(batch) + 1
            behind = max(w.behind for w in [*batch, work])
            widest = max(len(w.row.ids) for w in [*batch, work]) + behind
            full = size > self._rows or size * widest > TOKENS[self._device]
            full |= scoring and size * behind * vocabulary > LOGITS[self._device]
            if batch and full:
                yield batch
                batch = []
            batch.append(work)
        if batch:
            yield batch

    def _answer(self, batch: list[_Work], scoring: bool) -> None:
        batch = [work for work in batch if not work.request.future.done()]
        if not batch:
            return
        try:
            results = self._score(batch) if scoring else self._draw(batch)
        except torch.OutOfMemoryError:
            if len(batch) > 1:
                torch.cuda.empty_cache()
                self._answer(batch[: len(batch) // 2], scoring)
                self._answer(batch[len(batch) // 2 :], scoring)
                return
            results = [ModelError(f"no memory for {batch[0].length} tokens")]
        except Exception as error:
            results = [_fatal(work.request, error) for work in batch]
        for work, result in zip(batch, results, strict=True):
            work.request.put(work.place, result, work.of)

    def _draw(self, batch: list[_Work]) -> list[Any]:
        from trueline.models.local import decode

        tokenizer, _ = batch[0].request.face.load()
        with quiet(), self._adapted(batch[0].request.face) as model:
            drawn = decode.draw(model, tokenizer, self._ends(tokenizer), [w.row for w in batch])
        return [_completion(work, answer) for work, answer in zip(batch, drawn, strict=True)]

    def _score(self, batch: list[_Work]) -> list[Any]:
        from trueline.models.local import loglikelihoods

        with self._adapted(batch[0].request.face) as model:
            scores = loglikelihoods.compute(model, 0, [work.row for work in batch])
        name = batch[0].request.face.weights.name
        bad = ModelError(f"{name}: the likelihood is not a number")
        return [score if math.isfinite(score.total) else bad for score in scores]

    # ---- the model ---------------------------------------------------------------------------

    def _load(self, face: Face) -> None:
        face.load()
        if self._model is None:
            from transformers import AutoModelForCausalLM

            loaded = AutoModelForCausalLM.from_pretrained(
                self._base, dtype=self._dtype, use_safetensors=True
            )
            self._model = loaded.to(self._device).eval()
        if face.adapter is None or face.adapter in self._adapters:
            return
        from peft import PeftModel

        assert face.weights.adapter is not None
        if self._adapters:
            self._model.load_adapter(face.weights.adapter, adapter_name=face.adapter)
        else:
            self._model = PeftModel.from_pretrained(
                self._model, face.weights.adapter, adapter_name=face.adapter
            )
        self._model.to(self._device).eval()
        self._adapters.add(face.adapter)

    @contextlib.contextmanager
    def _adapted(self, face: Face) -> Iterator[Any]:
        """The model with the face's adapter in force, or none."""
        if face.adapter is not None:
            self._model.set_adapter(face.adapter, inference_mode=True)
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars, and no warnings: a run says itself how far it is, a text that is too long is an
    error of its own, and what transformers and peft say of each other's future helps nobody."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


def _works(request: Request, window: int) -> Iterator[_Work]:
    """The rows of a request, tokenised."""
    from trueline.models.local.decode import Row

    tokenizer, template = request.face.load()
    rendered = template.render(request.messages)
    request.folded = rendered.folded
    special = request.face.weights.plain  # a chat template writes its own begin mark
    text, moved = rendered.text, ""
    if request.continuations and request.face.weights.plain and text.strip():
        # White space at the border belongs to the token behind it; a template has its own border.
        text = text.rstrip()
        moved = rendered.text[len(text) :]
    ids = tokenizer(text, add_special_tokens=special)["input_ids"]
    sampling, name = request.sampling, request.face.weights.name
    if not ids:
        raise ModelError(f"{name}: the prompt is empty")
    if not request.continuations:
        limit = min(sampling.max_tokens or 0, window - len(ids))
        if limit < 1:
            raise _too_long(request, len(ids), window)
        for place, seed in enumerate(request.seeds):
            yield _Work(request, place, len(request.seeds), Row(ids, sampling, limit, seed))
    for place, continuation in enumerate(request.continuations):
        whole = tokenizer(text + moved + continuation, add_special_tokens=special)["input_ids"]
        if whole[: len(ids)] == ids:
            tail = whole[len(ids) :]
        else:  # a token would straddle the border; the model itself would answer behind `ids`
            tail = tokenizer(moved + continuation, add_special_tokens=False)["input_ids"]
        if not continuation or not tail:
            raise ModelError(f"{name}: an empty continuation has no likelihood")
        if len(ids) + len(tail) > window:
            raise _too_long(request, len(ids) + len(tail), window)
        yield _Work(request, place, len(request.continuations), Row(ids, sampling, tail=tail))


def _families(works: Sequence[_Work]) -> list[list[_Work]]:
    """Works whose prompts begin alike apart from the others, for a batch reads that only once."""
    from trueline.models.local.loglikelihoods import HEAD

    prompts = {tuple(work.row.ids) for work in works}
    heads = Counter(prompt[:HEAD] for prompt in prompts)
    families: dict[tuple[int, ...], list[_Work]] = {}
    for work in works:
        head = tuple(work.row.ids[:HEAD])
        families.setdefault(head if heads[head] >= FAMILY else (), []).append(work)
    return list(families.values())


def _completion(work: _Work, drawn: Any) -> Completion | ModelError:
    if drawn.logprob is None:
        name = work.request.face.weights.name
        return ModelError(f"{name}: the model's logits are not numbers")
    return Completion(
        Message("assistant", drawn.text),
        finish=drawn.finish,
        folded=work.request.folded,
        prompt_tokens=len(work.row.ids),
        completion_tokens=drawn.tokens,
        logprob=drawn.logprob if work.row.sampling.logprobs else None,
    )


def _too_long(request: Request, length: int, window: int) -> ModelError:
    name = request.face.weights.name
    return ModelError(f"{name}: the text has {length} tokens, and the model holds {window}")


def _fatal(request: Request, error: Exception) -> Fatal:
    return Fatal(f"{request.face.weights.name}: {type(error).__name__}: {error}")
