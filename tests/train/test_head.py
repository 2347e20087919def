from pathlib import Path

import pytest
import torch
from tests.train.tiny import tiny_model
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from trueline.train.trl.cpu_head import plain_head

OUTPUTS = ("log_probs", "entropy", "mean_logits", "is_top1")


def test_the_plain_head_gives_what_trls_gives(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model(tmp_path), dtype=torch.float32)
    add_fused_lm_head(model, outputs=OUTPUTS)
    torch.manual_seed(1)
    ids = torch.randint(3, 250, (3, 11))
    labels = torch.where(torch.rand(3, 11) < 0.5, ids, -100)
    labels[2] = -100  # a row of which nothing counts
    attention = torch.ones_like(ids)
    attention[1, 8:] = 0
    labels[1, 8:] = -100
    given = {"input_ids": ids, "attention_mask": attention, "labels": labels}
    theirs = model(**given, num_items_in_batch=7, fused_lm_head=True)
    theirs.loss.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    assert plain_head(model)
    ours = model(**given, num_items_in_batch=7, fused_lm_head=True)
    ours.loss.backward()
    for name in ("loss", *OUTPUTS):
        assert torch.allclose(getattr(ours, name), getattr(theirs, name), atol=1e-5), name
    assert torch.equal(ours.label_mask, theirs.label_mask)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-5)


@pytest.mark.parametrize("field", ["final_logit_softcapping", "logit_scale"])
def test_models_with_logits_of_their_own_keep_trls_head(tmp_path: Path, field: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model(tmp_path))
    setattr(model.config, field, 30.0)
    before = model.forward
    assert not plain_head(model) and model.forward == before
