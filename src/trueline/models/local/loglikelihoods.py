"""Log-likelihoods of given texts after their prompts, with each prompt of a batch read once.

A batch is read in passes, each after the keys and values of the one before:

- the *head*, what all its prompts begin with, if that is long (the shots of a few-shot
  prompt): once;
- the *prompts*, what each different one has after the head; its last logits give the first
  token of every tail;
- the *tails* without their last tokens, after which nothing is asked: the longest and those down
  to half its length, then the longest that is left, and so on; those of a single token need none.

Padding then stands between passes too.  So passes are for models that are told each token's
place (rotary positions; others may count the padding) and whose cache keeps all keys and values
(no recurrent state, no sliding window narrower than the batch).  The others read each row whole.

Shapes: B rows of a pass, T tokens, K tokens of a tail, V vocabulary, R rows of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from trueline.models.local.rows import HEAD, Row, left_padded


class Likelihood(Struct, frozen=True):
    """Of a row's tail after its prompt, in nats; NaN if a logit was.  `read` counts the
    tokens read for it: what rows share is counted at the first of them."""

    total: float
    read: int


def compute(model: Any, pad: int, rows: Sequence[Row]) -> list[Likelihood]:
    """The likelihood of each row's tail; `pad` is any token, and masked."""
    with torch.inference_mode():
        reading = _Reading(model, pad)
        width = max(len(row.ids) for row in rows) + max(len(row.tail) for row in rows)
        return _shared(reading, rows) if reading.shares(width) else _whole(model, pad, rows)


class _Reading:
    """What was read so far: keys and values, and which of their places hold tokens (B, T)."""

    def __init__(self, model: Any, pad: int) -> None:
        self._model, self._pad = model, pad
        self._cache = DynamicCache(config=model.config)
        self._mask_BT = torch.ones((1, 0), dtype=torch.long, device=model.device)

    @property
    def device(self) -> torch.device:
        return self._mask_BT.device

    def shares(self, width: int) -> bool:
        """Whether the model can read on after so many tokens, padding included."""
        settings = self._model.config.get_text_config(decoder=True)
        return getattr(settings, "rope_parameters", None) is not None and all(
            type(layer) is DynamicLayer
            or (type(layer) is DynamicSlidingWindowLayer and layer.sliding_window > width)
            for layer in self._cache.layers
        )

    def split(self, parents: Sequence[int]) -> _Reading:
        """A reading whose row i is this one's row `parents[i]`; this one stays as it is."""
        index_B = torch.tensor(parents, device=self.device)
        child = copy(self)
        child._cache = copy(self._cache)
        child._cache.layers = [copy(layer) for layer in self._cache.layers]
        child._cache.batch_select_indices(index_B)
        child._mask_BT = self._mask_BT[index_B]
        return child

    def read(self, tokens: Sequence[list[int]], *, keep: int = 1, last: bool = False) -> Tensor:
        """Reads on, each row its own tokens; the logits of the last `keep` places (B, keep, V).

        After the `last` pass nothing is read, so what was never cached is not cached now.
        """
        ids_BT, mask_BT = left_padded(tokens, self._pad, self.device)
        cached = self._mask_BT.shape[1] > 0 or not last
        self._mask_BT = torch.cat([self._mask_BT.expand(len(tokens), -1), mask_BT], 1)
        places_BT = (self._mask_BT.cumsum(1) - 1).clamp(min=0)
        logits: Tensor = self._model(
            input_ids=ids_BT,
            attention_mask=self._mask_BT,
            position_ids=places_BT[:, -ids_BT.shape[1] :],
            past_key_values=self._cache if cached else None,
            use_cache=cached,
            logits_to_keep=keep,
        ).logits
        return logits[:, -keep:].float()


def _shared(reading: _Reading, rows: Sequence[Row]) -> list[Likelihood]:
    prompts = list(dict.fromkeys(tuple(row.ids) for row in rows))
    place = {prompt: i for i, prompt in enumerate(prompts)}
    parents = [place[tuple(row.ids)] for row in rows]
    longer = [i for i, row in enumerate(rows) if len(row.tail) > 1]
    head = _head(prompts)
    if head:
        reading.read([list(prompts[0][:head])])
        reading = reading.split([0] * len(prompts))
    logits_BV = reading.read([list(p[head:]) for p in prompts], last=not longer)[:, 0]
    first_R = torch.tensor([row.tail[0] for row in rows], device=reading.device)
    parents_R = torch.tensor(parents, device=reading.device)
    totals_R = (logits_BV[parents_R, first_R] - logits_BV.logsumexp(1)[parents_R]).double()
    for some in _group_by_length(longer, rows):
        tails = [rows[i].tail for i in some]
        logits_BKV = reading.split([parents[i] for i in some]).read(
            [tail[:-1] for tail in tails], keep=max(map(len, tails)) - 1, last=True
        )
        totals_R[some] += _sums(logits_BKV, [tail[1:] for tail in tails])
    reads = [len(row.tail) - 1 for row in rows]
    for i, prompt in enumerate(prompts):
        reads[parents.index(i)] += len(prompt) - (head if i else 0)
    return [Likelihood(t, n) for t, n in zip(totals_R.tolist(), reads, strict=True)]


def _group_by_length(places: Sequence[int], rows: Sequence[Row]) -> list[list[int]]:
    """The rows by the lengths of their tails, none beside one of more than twice its own."""
    groups: list[list[int]] = []
    for i in sorted(places, key=lambda i: len(rows[i].tail), reverse=True):
        if not groups or 2 * len(rows[i].tail) < len(rows[groups[-1][0]].tail):
            groups.append([])
        groups[-1].append(i)
    return groups


def _head(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many tokens are read once for all; each prompt keeps one at least, for its logits."""
    if len(prompts) == 1:
        return 0
    most = min(map(len, prompts)) - 1
    pairs = enumerate(zip(min(prompts), max(prompts), strict=False))  # the two most unlike
    common = min(most, next((i for i, (a, b) in pairs if a != b), most))
    return common if common >= HEAD else 0


def _whole(model: Any, pad: int, rows: Sequence[Row]) -> list[Likelihood]:
    """Each row by itself, its prompt and its tail in one pass."""
    texts = [row.ids + row.tail[:-1] for row in rows]
    ids_BT, mask_BT = left_padded(texts, pad, model.device)
    keep = max(len(row.tail) for row in rows)
    logits_BKV = model(
        input_ids=ids_BT,
        attention_mask=mask_BT,
        position_ids=(mask_BT.cumsum(1) - 1).clamp(min=0),
        logits_to_keep=keep,
        use_cache=False,
    ).logits[:, -keep:]
    totals_B = _sums(logits_BKV.float(), [row.tail for row in rows])
    return [Likelihood(t, len(text)) for t, text in zip(totals_B.tolist(), texts, strict=True)]


def _sums(logits_BKV: Tensor, tokens: Sequence[list[int]]) -> Tensor:
    """By row, the log-probabilities of its tokens, which are those of the right edge."""
    tokens_BK, inside_BK = left_padded(tokens, 0, logits_BKV.device)
    chosen_BK = logits_BKV.gather(2, tokens_BK[..., None])[..., 0] - logits_BKV.logsumexp(2)
    return chosen_BK.masked_fill(inside_BK == 0, 0.0).double().sum(1)
