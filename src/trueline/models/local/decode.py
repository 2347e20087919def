"""One batch through a causal language model: drawing answers.

A row's answer does not depend on the rows beside it.  Every row draws from a generator of its
own: Gumbel noise on its log-probabilities, and the largest wins, which is a draw from them
(Gumbel-max; Maddison et al. 2014, arXiv 1411.0030).  So an answer drawn again in another batch,
after a restart, say, is the same, up to the last bits in which kernels differ by batch size.

Shapes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from trueline.models.local.rows import Row, left_padded

LEAD = 16  # tokens of a begun turn that its continuation is decoded with


class Answer(Struct, frozen=True):
    """A row's answer; `tokens` counts the end mark, which `text` lacks.  `logprob` is under the
    model itself, before temperature and top-p; None if a logit was not a number."""

    text: str
    tokens: int
    finish: str
    logprob: float | None


def draw(model: Any, tokenizer: Any, ends: set[int], rows: Sequence[Row]) -> list[Answer]:
    """An answer for each row; `ends` are the tokens that end one."""
    ids_BT, mask_BT = left_padded([row.ids for row in rows], _pad(tokenizer), model.device)
    width = ids_BT.shape[1]
    stop = _Stop(tokenizer, ends, rows, width, ids_BT.device)
    noise = _Noise(rows, stop, ids_BT.device)
    settings = GenerationConfig(
        do_sample=False,
        max_new_tokens=max(row.limit for row in rows),
        pad_token_id=_pad(tokenizer),
        eos_token_id=sorted(ends) or None,
        use_cache=True,
    )
    with torch.inference_mode():
        out_BT = model.generate(
            input_ids=ids_BT,
            attention_mask=mask_BT,
            generation_config=settings,
            logits_processor=LogitsProcessorList([noise]),
            stopping_criteria=StoppingCriteriaList([stop]),
        )
    answers = out_BT[:, width:].tolist()
    lengths = [n or len(answers[0]) for n in stop.lengths_B.tolist()]
    totals = noise.totals(lengths)
    return [
        _answer(tokenizer, ends, row, answer[:n], total)
        for row, answer, n, total in zip(rows, answers, lengths, totals, strict=True)
    ]


class _Noise(LogitsProcessor):  # type: ignore[misc]
    """Temperature, top-p and noise, by row; keeps what the chosen tokens' probabilities were."""

    def __init__(self, rows: Sequence[Row], stop: _Stop, device: torch.device) -> None:
        self._stop = stop
        samplings = [row.sampling for row in rows]
        warm = [s.temperature > 0 for s in samplings]
        self._sampled = [i for i, w in enumerate(warm) if w]
        self._generators = {
            i: torch.Generator(device).manual_seed(rows[i].seed) for i in self._sampled
        }
        self._warmth_B1 = torch.tensor(
            [[s.temperature if w else 1.0] for s, w in zip(samplings, warm, strict=True)],
            device=device,
        )
        self._top_p_B1 = torch.tensor([[s.top_p] for s in samplings], device=device)
        self._nucleus = any(w and s.top_p < 1 for s, w in zip(samplings, warm, strict=True))
        self._log = any(s.logprobs for s in samplings)
        self._broken_B = torch.zeros(len(rows), dtype=torch.bool, device=device)
        self._chosen: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._broken_B |= scores.isnan().any(1) & (self._stop.lengths_B == 0)
        final_BV = scores
        if self._sampled:
            final_BV = scores / self._warmth_B1
            if self._nucleus:
                final_BV = self._cut(final_BV)
            final_BV = final_BV + self._gumbel(final_BV)
        if self._log:
            token_B1 = final_BV.argmax(1, keepdim=True)
            chosen_B1 = scores.gather(1, token_B1) - scores.logsumexp(1, keepdim=True)
            self._chosen.append(chosen_B1[:, 0])
        return final_BV

    def totals(self, lengths: Sequence[int]) -> list[float | None]:
        """By row: the sum over its tokens, 0 if no row wanted it, None for NaN logits."""
        broken = self._broken_B.tolist()
        if not self._chosen:
            return [None if bad else 0.0 for bad in broken]
        by_row = torch.stack(self._chosen, 1).double().cpu()
        return [
            None if bad else float(by_row[i, :n].sum())
            for i, (bad, n) in enumerate(zip(broken, lengths, strict=True))
        ]

    def _cut(self, logits_BV: Tensor) -> Tensor:
        """Only the smallest set of tokens whose probability reaches the row's top-p is left."""
        sorted_BV, order_BV = logits_BV.sort(1, descending=True)
        before_BV = sorted_BV.softmax(1).cumsum(1).roll(1, 1)
        before_BV[:, 0] = 0.0
        cut_BV = (before_BV >= self._top_p_B1) & (self._top_p_B1 < 1)
        return logits_BV.masked_fill(cut_BV.scatter(1, order_BV, cut_BV), -torch.inf)

    def _gumbel(self, logits_BV: Tensor) -> Tensor:
        uniform_BV = torch.full_like(logits_BV, 0.5)
        live = (self._stop.lengths_B == 0).tolist()
        for i in self._sampled:
            if live[i]:
                uniform_BV[i].uniform_(generator=self._generators[i])
        noise_BV = -(-uniform_BV.log()).log()
        greedy = [i for i in range(len(live)) if i not in self._generators]
        noise_BV[greedy] = 0.0
        return noise_BV


class _Stop(StoppingCriteria):  # type: ignore[misc]
    """Ends each row by its own limit, end marks and stop strings; `lengths_B` is 0 till then."""

    def __init__(
        self, tokenizer: Any, ends: set[int], rows: Sequence[Row], width: int, device: torch.device
    ) -> None:
        self._tokenizer, self._width = tokenizer, width
        self._ends = torch.tensor(sorted(ends), dtype=torch.long, device=device)
        self._limits_B = torch.tensor([row.limit for row in rows], device=device)
        self._strings = {i: row.sampling.stop for i, row in enumerate(rows) if row.sampling.stop}
        self.lengths_B = torch.zeros(len(rows), dtype=torch.long, device=device)

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        length = input_ids.shape[1] - self._width
        done_B = (self._limits_B <= length) | torch.isin(input_ids[:, -1], self._ends)
        for i, strings in self._strings.items():
            if not done_B[i] and not self.lengths_B[i]:
                # A stop string of k characters ends within the last k tokens, and a few more
                # complete the characters at its edge.
                tail = input_ids[i, self._width :][-(max(map(len, strings)) * 4 + 8) :]
                text = self._tokenizer.decode(tail, skip_special_tokens=True)
                done_B[i] = any(string in text for string in strings)
        self.lengths_B = torch.where((self.lengths_B == 0) & done_B, length, self.lengths_B)
        return self.lengths_B > 0


def _answer(
    tokenizer: Any, ends: set[int], row: Row, answer: list[int], logprob: float | None
) -> Answer:
    ended = bool(answer) and answer[-1] in ends
    text = decode_answer(tokenizer, row, answer[:-1] if ended else answer)
    places = [place for stop in row.sampling.stop if (place := text.find(stop)) >= 0]
    if places:
        return Answer(text[: min(places)], len(answer), "stop", logprob)
    return Answer(text, len(answer), "stop" if ended else "length", logprob)


def decode_answer(tokenizer: Any, row: Row, answer: list[int]) -> str:
    """The answer's text; of a begun turn with the space that some tokenizers drop at the start of
    what they decode."""
    settings = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    if row.begun:
        before = row.ids[-LEAD:]
        lead = str(tokenizer.decode(before, **settings))
        whole = str(tokenizer.decode(before + answer, **settings))
        if whole.startswith(lead):
            return whole[len(lead) :]
    return str(tokenizer.decode(answer, **settings))


def _pad(tokenizer: Any) -> int:
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    return 0
