"""A plain LM head in place of TRL's tiled one, if the tiles cost time and save nothing.

TRL projects every position in tiles and recomputes them in the backward pass, which saves memory
on a GPU with a large vocabulary.  On a CPU it only takes time (docs/lab.md has how much); this head
projects the positions whose label counts, once.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel
    from trl.trainer.utils import FusedCausalLMOutput

# Models with these scale or cap their logits in ways of their own: TRL knows how, so it may.
_OWN_LOGITS = (
    "final_logit_softcapping",
    "logit_scale",
    "output_multiplier",
    "lm_head_multiplier",
    "logits_scaling",
    "output_router_logits",
)


def plain_head(model: PreTrainedModel) -> bool:
    """Give a model that TRL has given its head the plain one; False if it keeps TRL's.

    Call it after the trainer's construction.  Same outputs, metrics included; parity is tested.
    """
    config = model.config.get_text_config()
    if model.get_output_embeddings() is None:  # a classifier
        return False
    if model.device.type != "cpu" or any(getattr(config, n, None) is not None for n in _OWN_LOGITS):
        return False
    tiled = model.forward

    def forward(self: Any, *args: Any, fused_lm_head: bool = False, **kwargs: Any) -> Any:
        if not fused_lm_head or kwargs.get("shift_labels") is not None:
            return tiled(*args, fused_lm_head=fused_lm_head, **kwargs)
        return _outputs(self, args, kwargs)

    # peft and Trainer read which arguments a forward takes from its signature
    forward.__wrapped__ = tiled  # type: ignore[attr-defined]
    model.forward = types.MethodType(forward, model)
    return True


def _outputs(
    model: PreTrainedModel, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> FusedCausalLMOutput:
    import torch
    from trl.trainer.utils import FusedCausalLMOutput

    labels = kwargs.pop("labels")[:, 1:]
    items = kwargs.pop("num_items_in_batch", None)
    hidden = model.base_model(*args, **{**kwargs, "use_cache": False}).last_hidden_state[:, :-1]
    mask = labels != -100
    logits = model.get_output_embeddings()(hidden[mask]).float()
    target = labels[mask][:, None]
    logs = logits.log_softmax(-1)
    chosen = logs.gather(-1, target)[:, 0]

    def spread(values: Tensor) -> Tensor:
        return values.new_zeros(mask.shape).masked_scatter(mask, values)

    with torch.no_grad():
        entropy = spread(-(logs.exp() * logs).sum(-1))
        mean = spread(logits.mean(-1))
        top = spread(logits.argmax(-1) == target[:, 0])
    count = mask.sum().clamp(min=1) if items is None else items
    return FusedCausalLMOutput(
        loss=-chosen.sum() / count,
        log_probs=spread(chosen),
        entropy=entropy,
        mean_logits=mean,
        is_top1=top,
        label_mask=mask,
    )
