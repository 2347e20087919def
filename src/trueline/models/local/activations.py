"""Activations of given texts after their prompts: the residual stream, averaged over the tokens.

Shapes: B rows, T tokens, H hidden, L layers asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trueline.models.local.rows import Row, left_padded


def compute(model: Any, pad: int, rows: Sequence[Row]) -> list[Tensor]:
    """By row, the mean over its tail's tokens at its layers (L, H), float32 on the CPU.

    `pad` is any token, and masked.  The mean over a response's tokens is that of persona vectors
    (Chen et al. 2025, arXiv 2507.21509).
    """
    ids_BT, mask_BT = left_padded([row.ids + row.tail for row in rows], pad, model.device)
    with torch.inference_mode():
        hidden = model(
            input_ids=ids_BT,
            attention_mask=mask_BT,
            position_ids=(mask_BT.cumsum(1) - 1).clamp(min=0),
            output_hidden_states=True,
            logits_to_keep=1,
            use_cache=False,
        ).hidden_states  # the embeddings, and what each block writes: each (B, T, H)
        return [
            torch.stack(
                [hidden[layer][i, -len(row.tail) :].float().mean(0) for layer in row.layers]
            ).cpu()
            for i, row in enumerate(rows)
        ]
