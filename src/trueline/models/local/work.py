"""What a local model is asked, read into rows of tokens.

- an *adapter session* is what a request is read and answered by: an adapter and its tokenizer;
- a *request* is one call: samples, likelihoods, or activations;
- a *work* is one row of it, which goes into a batch of the engine's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trueline.files.errors import InputError
from trueline.models.contract import Fatal, ModelError, Unsupported
from trueline.models.local.batching import Reply
from trueline.models.local.rows import HEAD, Row
from trueline.models.local.templates import Template
from trueline.models.local.weights import Weights
from trueline.records.types import Message, Sampling, Tool

FAMILY = 4  # prompts that begin alike, for which batches of their own pay

Kind = Literal["draw", "loglikelihood", "activations"]


@dataclass
class AdapterSession:
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
    """Samples `seeds` of a conversation's answers, or the likelihoods of `continuations`, or with
    `layers` the activations over them."""

    session: AdapterSession
    messages: Sequence[Message]
    sampling: Sampling = Sampling()  # noqa: RUF009 (frozen)
    seeds: Sequence[int] = ()
    continuations: Sequence[str] = ()
    layers: tuple[int, ...] = ()
    tools: Sequence[Tool] = ()
    start: str = ""
    folded: str | None = None
    reply: Reply[list[Any]] = field(default_factory=Reply)
    _results: dict[int, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.session.weights.name

    def put(self, place: int, result: Any, of: int) -> None:
        """Takes the result of one row; with the last, or an error, the caller is answered."""
        if isinstance(result, Exception):
            self.reply.give(result)
            return
        self._results[place] = result
        if len(self._results) == of:
            self.reply.give([self._results[i] for i in range(of)])

    def fail(self, error: Exception) -> None:
        """Answers the caller with an error: its own, or one that every call would meet."""
        self.reply.give(self.explain(error))

    def explain(self, error: Exception) -> Exception:
        """The error as the contract has it."""
        if isinstance(error, ModelError | Unsupported | InputError):
            return error
        return Fatal(f"{self.name}: {type(error).__name__}: {error}")


@dataclass
class Work:
    """A row, and the place in a request that it answers."""

    request: Request
    place: int
    of: int
    row: Row

    @property
    def kind(self) -> Kind:
        if self.row.layers:
            return "activations"
        return "loglikelihood" if self.row.tail else "draw"

    @property
    def length(self) -> int:
        return len(self.row.ids) + self.after

    @property
    def after(self) -> int:
        """How many tokens come after the prompt, at most."""
        return len(self.row.tail) + self.row.limit

    @property
    def order(self) -> tuple[int, list[int], int]:
        """By length, and rows of one prompt next to one another."""
        return len(self.row.ids) + self.row.limit, self.row.ids, len(self.row.tail)


def read_request(request: Request, window: int) -> Iterator[Work]:
    """The rows of a request, tokenised.

    Raises ModelError if there is nothing to read, or more than `window` tokens; Unsupported and
    ModelError as `Template.render` does.
    """
    tokenizer, template = request.session.load()
    rendered = template.render(request.messages, tools=request.tools, start=request.start)
    request.folded = rendered.folded
    special = request.session.weights.plain  # a chat template writes its own begin mark
    text, moved = rendered.text, ""
    if request.continuations and special and text.strip():
        # White space at the border belongs to the token after it; a template has its own border.
        text = text.rstrip()
        moved = rendered.text[len(text) :]
    ids = tokenizer(text, add_special_tokens=special)["input_ids"]
    if not ids:
        raise ModelError(f"{request.name}: the prompt is empty")
    sampling = request.sampling
    if not request.continuations:
        limit = min(sampling.max_tokens or 0, window - len(ids))
        if limit < 1:
            raise _too_long(request, len(ids), window)
        begun = bool(request.start)
        for place, seed in enumerate(request.seeds):
            row = Row(ids, sampling, limit, seed, begun=begun)
            yield Work(request, place, len(request.seeds), row)
    for place, continuation in enumerate(request.continuations):
        if request.layers:  # a stored answer, read as a template would render it
            continuation = template.inert(continuation)
        whole = tokenizer(text + moved + continuation, add_special_tokens=special)["input_ids"]
        if whole[: len(ids)] == ids:
            tail = whole[len(ids) :]
        else:  # a token would straddle the border; the model itself would answer after `ids`
            tail = tokenizer(moved + continuation, add_special_tokens=False)["input_ids"]
        if not continuation or not tail:
            raise ModelError(f"{request.name}: an empty continuation has no likelihood")
        if len(ids) + len(tail) > window:
            raise _too_long(request, len(ids) + len(tail), window)
        row = Row(ids, sampling, tail=tail, layers=request.layers)
        yield Work(request, place, len(request.continuations), row)


def families(works: Sequence[Work]) -> list[list[Work]]:
    """Works whose prompts begin alike apart from the others, for a batch reads that only once."""
    prompts = {tuple(work.row.ids) for work in works}
    heads = Counter(prompt[:HEAD] for prompt in prompts)
    groups: dict[tuple[int, ...], list[Work]] = {}
    for work in works:
        head = tuple(work.row.ids[:HEAD])
        groups.setdefault(head if heads[head] >= FAMILY else (), []).append(work)
    return list(groups.values())


def _too_long(request: Request, length: int, window: int) -> ModelError:
    return ModelError(f"{request.name}: the text has {length} tokens, and the model holds {window}")
