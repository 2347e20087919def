"""A sequence classifier that runs in this process: the scores that its head gives a conversation.

What is read is a prompt and a response, either of which may be empty.  A tokenizer with a chat
template reads them as one conversation, others as a pair of texts.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.models.contract import Fatal, ModelError
from trueline.models.local.batching import TOKENS, Batcher, Reply, run_halving, split
from trueline.models.local.engine import WINDOW, quiet
from trueline.models.local.templates import Template
from trueline.models.local.weights import Weights, hash_folders
from trueline.records.types import Message

# Architectures whose position ids start after their padding token's.
_OFFSET = {"camembert", "data2vec-text", "longformer", "mpnet", "roberta", "roberta-prelayernorm"}
_OFFSET |= {"xlm-roberta", "xlm-roberta-xl", "xmod"}

Turns = tuple[Message, ...]
Kind = Literal["softmax", "sigmoid", "raw"]


class Scores(NamedTuple):
    """One logit for each of the head's labels; `cut` says what was left out to fit the window."""

    logits: tuple[float, ...]
    cut: str | None = None


@dataclass(eq=False)
class _Row:
    prompt: Turns
    response: Turns
    chat: bool
    name: str
    reply: Reply[Scores] = field(default_factory=Reply)
    tokens: dict[str, list[int]] = field(default_factory=dict)
    cut: str | None = None

    @property
    def length(self) -> int:
        return len(self.tokens["input_ids"])

    def fail(self, error: Exception) -> None:
        """Answers the caller with an error: these texts', or one that every call would meet."""
        if not isinstance(error, ModelError):
            error = Fatal(f"{self.name}: {type(error).__name__}: {error}")
        self.reply.give(error)


class SequenceClassifier:
    """Concurrent calls are read in batches of at most `rows` rows; the event loop stays free.

    `labels` are the head's own, in the order of its logits; `kind` is what those mean by the
    model's configuration: "softmax" (one label holds), "sigmoid" (each by itself) or "raw".
    `identity` is a digest of weights, tokenizer, configuration and number format: float32 on a
    CPU, elsewhere the one in which the weights are stored.
    """

    def __init__(self, weights: Weights, *, rows: int = 64, device: str = "") -> None:
        self.name, self._folder, self._rows = weights.name, weights.base, rows
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype: Any = torch.float32 if self._device == "cpu" else "auto"
        config = _config(weights)
        self.labels = tuple(str(config.id2label[i]) for i in sorted(config.id2label))
        self.kind = _kind(config.problem_type, len(self.labels))
        self._tokenizer = _tokenizer(weights)
        self._template = Template(self._tokenizer, opens=False)
        self._pad: int | None = config.get_text_config().pad_token_id
        self._window = _window(config, self._tokenizer)
        self.identity = digest([hash_folders([weights.base]), str(self._dtype)])
        self._model: Any = None
        self._batcher = Batcher[_Row](self._serve, rows=rows, name=f"classifier {weights.name}")

    async def scores(self, prompt: Turns, response: Turns = (), *, chat: bool = True) -> Scores:
        """What the head makes of the two; without `chat`, as texts even if it has a template.

        What does not fit the window is cut: the prompt loses its beginning, down to a quarter of
        the window, and then the response its end.  Raises ModelError if these texts are at fault,
        Fatal if the model is.
        """
        chat = chat and bool(self._tokenizer.chat_template)
        row = _Row(prompt, response, chat, self.name)
        self._batcher.submit(row)
        return await row.reply.future

    # ---- the batcher's thread: neither tokenizer nor model is for two at once -----------------

    def _serve(self, rows: Sequence[_Row]) -> None:
        readable = [row for row in rows if not row.reply.future.done() and self._read(row)]
        for batch in self._batches(readable):
            scores = run_halving(batch, self._forward, self._no_memory)
            for row, outcome in zip(batch, scores, strict=True):
                row.reply.give(outcome)

    def _read(self, row: _Row) -> bool:
        """Whether the row could be read; if not, its caller is told."""
        try:
            self._fit(row)
        except ModelError as error:
            row.fail(error)
            return False
        return True

    def _fit(self, row: _Row) -> None:
        row.tokens = self._encode(row, row.prompt, row.response)
        if not row.length:
            raise ModelError(f"{self.name}: there is no text to read")
        if row.length <= self._window:
            return

        def fits(front: int, back: int, window: int = self._window) -> bool:
            tokens = self._encode(
                row, _drop_first(row.prompt, front), _drop_last(row.response, back)
            )
            return len(tokens["input_ids"]) <= window

        prompt, response = _size(row.prompt), _size(row.response)
        quarter = _least(prompt, lambda n: fits(n, response, self._window // 4))
        front = _least(quarter if response else prompt, lambda n: fits(n, 0))
        back = _least(response, lambda n: fits(front, n))
        if not fits(front, back):
            raise ModelError(f"{self.name}: no text fits into its {self._window} tokens")
        row.tokens = self._encode(
            row, _drop_first(row.prompt, front), _drop_last(row.response, back)
        )
        parts = [f"the first {front} of the prompt's {prompt} characters"] if front else []
        parts += [f"the last {back} of the response's {response} characters"] if back else []
        row.cut = f"not read, to fit {self._window} tokens: {' and '.join(parts)}"

    def _encode(self, row: _Row, prompt: Turns, response: Turns) -> dict[str, list[int]]:
        if row.chat:
            text = self._template.render(prompt + response).text
            return dict(self._tokenizer(text, add_special_tokens=False, verbose=False))
        texts = [self._text(turns) for turns in (prompt, response) if turns]
        return dict(self._tokenizer(*texts, verbose=False)) if texts else {"input_ids": []}

    def _text(self, turns: Turns) -> str:
        """One turn bare, several each with its role; what spells a special token is made inert."""
        texts = [str(turn["content"]) for turn in self._template.turns(turns)]
        if len(turns) == 1:
            return texts[0]
        roles = (message.role for message in turns)
        return "\n\n".join(f"[{role}] {text}" for role, text in zip(roles, texts, strict=True))

    def _batches(self, rows: list[_Row]) -> Iterator[list[_Row]]:
        """Rows of like length together, the longest first; without a padding token, of one length:
        such a head reads its score off the last place."""

        def fits(batch: Sequence[_Row]) -> bool:
            lengths = {row.length for row in batch}
            return (
                len(batch) <= self._rows
                and len(batch) * max(lengths) <= TOKENS[self._device]
                and (self._pad is not None or len(lengths) == 1)
            )

        return split(sorted(rows, key=lambda row: row.length, reverse=True), fits)

    def _forward(self, rows: Sequence[_Row]) -> list[Scores | Exception]:
        with torch.inference_mode():
            if self._model is None:
                self._model = self._load()
            logits_BL = self._model(**self._padded(rows)).logits.float()
            by_row = [tuple(logits) for logits in logits_BL.tolist()]
        bad = ModelError(f"{self.name}: a score is not a number")
        return [
            Scores(logits, row.cut) if all(map(math.isfinite, logits)) else bad
            for row, logits in zip(rows, by_row, strict=True)
        ]

    def _no_memory(self, row: _Row) -> Exception:
        return ModelError(f"{self.name}: no memory for {row.length} tokens")

    def _padded(self, rows: Sequence[_Row]) -> dict[str, torch.Tensor]:
        """Each of the tokenizer's outputs, (B, T), padded on the right, so that positions count
        from the first token in every row."""
        width = max(row.length for row in rows)
        tensors = {}
        for name in rows[0].tokens:
            fill = (self._pad or 0) if name == "input_ids" else 0
            filled = [row.tokens[name] + [fill] * (width - row.length) for row in rows]
            tensors[name] = torch.tensor(filled, device=self._device)
        return tensors

    def _load(self) -> Any:
        with quiet():
            model, info = AutoModelForSequenceClassification.from_pretrained(
                self._folder,
                dtype=self._dtype,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        if missing := sorted(info["missing_keys"]):
            raise Fatal(
                f"{self.name}: its weights lack {missing[0]!r} ({len(missing)} in all), which "
                "would be random numbers: it was not saved whole"
            )
        return model.to(self._device).eval()


def _config(weights: Weights) -> Any:
    if weights.adapter is not None:
        raise InputError(
            f"{weights.adapter}: an adapter; merge it into its base and save the whole"
        )
    try:
        config = AutoConfig.from_pretrained(weights.base, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{weights.base}: its config.json cannot be used: {error}") from error
    architectures = list(config.architectures or [])
    names = ", ".join(architectures) or "nowhere"
    if not any(name.endswith("ForSequenceClassification") for name in architectures):
        raise InputError(
            f"{weights.base}: holds no sequence classifier: its config.json names the architecture "
            f"{names}, where one that ends in ForSequenceClassification is expected; a "
            "model that writes its verdict is a guard or a judge"
        )
    return config


def _kind(problem: str | None, labels: int) -> Kind:
    """As transformers reads it: without a problem type, a single label is a regression's."""
    if problem == "multi_label_classification":
        return "sigmoid"
    return "raw" if problem == "regression" or (problem is None and labels == 1) else "softmax"


def _tokenizer(weights: Weights) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(weights.base, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{weights.base}: its tokenizer cannot be loaded: {error}") from error
    if weights.template is not None:
        tokenizer.chat_template = weights.template
    return tokenizer


def _window(config: Any, tokenizer: Any) -> int:
    """The most tokens that the model can read."""
    stated = int(getattr(config.get_text_config(), "max_position_embeddings", None) or WINDOW)
    if config.model_type in _OFFSET:
        stated -= int(config.pad_token_id) + 1
    return min(stated, int(tokenizer.model_max_length))


# ---- cutting ---------------------------------------------------------------------------------


def _least(most: int, fits: Callable[[int], bool]) -> int:
    """The smallest number up to `most` that fits; `most` if none does."""
    return bisect_left(range(most), True, key=fits)


def _size(turns: Turns) -> int:
    return sum(len(turn.content) for turn in turns)


def _drop_first(turns: Turns, count: int) -> Turns:
    """The turns without their first characters; emptied turns stay, for templates that count."""
    kept = []
    for turn in turns:
        kept.append(msgspec.structs.replace(turn, content=turn.content[count:]))
        count = max(0, count - len(turn.content))
    return tuple(kept)


def _drop_last(turns: Turns, count: int) -> Turns:
    """The turns without their last characters."""
    kept = []
    for turn in turns[::-1]:
        end = max(0, len(turn.content) - count)
        kept.append(msgspec.structs.replace(turn, content=turn.content[:end]))
        count = max(0, count - len(turn.content))
    return tuple(kept[::-1])
