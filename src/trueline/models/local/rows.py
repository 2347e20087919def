"""Rows of tokens, as batches of a causal model are made of them.

Shapes: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from msgspec import Struct
from torch import Tensor

from trueline.records.types import Sampling

HEAD = 32  # tokens that prompts must have in common to be read once: a pass of its own costs time


class Row(Struct):
    """A prompt's tokens, and what is wanted: an answer of at most `limit` tokens drawn by
    `seed`, or of the tokens `tail` after it the likelihood, or the activations at `layers`.

    `begun`: the prompt ends inside the turn that the answer continues.
    """

    ids: list[int]
    sampling: Sampling
    limit: int = 0
    seed: int = 0
    tail: list[int] = []
    layers: tuple[int, ...] = ()
    begun: bool = False


def left_padded(rows: Sequence[list[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both (B, T); the last tokens stand at the right edge."""
    width = max(map(len, rows))
    ids = [[pad] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
