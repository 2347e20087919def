"""A reward model: its loss, what it learns, and that a saved one scores as it did in training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.train.tiny import CHATML, PAIRS, pair, tiny_model
from transformers import AutoTokenizer

from trueline.files.errors import InputError
from trueline.models.local.classifier import SequenceClassifier
from trueline.models.local.weights import Weights
from trueline.policy.values import find_preference
from trueline.records.types import Example
from trueline.train import loading
from trueline.train.method import TrainingContext
from trueline.train.methods import reward
from trueline.train.run import train


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def options(tiny: Path, out: Path, **settings: Any) -> reward.Options:
    common = {"lora_rank": 0, "epochs": 8, "batch_size": 4, "learning_rate": 3e-3, "log_steps": 1}
    return reward.Options(model=str(tiny), out=out, **{**common, **settings})


async def margins(folder: Path, pairs: list[Example]) -> list[float]:
    """The saved model's score of the chosen over the rejected, as a labeller would ask for it."""
    head = SequenceClassifier(Weights("reward", folder))
    found = []
    for example in pairs:
        scores = [await head.scores(example.prompt, r.messages) for r in example.responses]
        chosen, rejected = find_preference(example)
        found.append(scores[chosen].logits[0] - scores[rejected].logits[0])
    return found


def alone(model: Any, ids: list[int]) -> torch.Tensor:
    """The score of one row, which needs no padding."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0, 0]


def test_the_loss_is_that_of_safe_rlhf_whatever_the_padding(tiny: Path, tmp_path: Path) -> None:
    compared = []

    def check(context: TrainingContext[reward.Options]) -> Any:
        trainer = reward.METHOD.trainer(context)
        model = trainer.model.eval()
        batch = [reward.columns(row) for row in context.rows[:4]]
        assert len({len(row["chosen_ids"]) for row in batch}) > 1
        inputs = trainer.data_collator(batch)
        better, worse = (
            torch.stack([alone(model, row[name]) for row in batch])
            for name in ("chosen_ids", "rejected_ids")
        )
        expected = -torch.nn.functional.logsigmoid(better - worse).mean()
        expected += 0.5 * torch.cat([better, worse]).square().mean()
        compared.append((trainer.compute_loss(model, inputs).item(), expected.item()))
        return trainer

    method = dataclasses.replace(reward.METHOD, trainer=check)
    # with the end token as padding, the score of a conversation that ends with it is read before
    templates = {"own": CHATML, "eos": CHATML.replace("'<|im_end|>' + '\n'", "'<|im_end|>'")}
    for name, template in templates.items():
        folder = tiny_model(tmp_path / name, template)
        if name == "eos":
            tokenizer = AutoTokenizer.from_pretrained(folder)
            tokenizer.pad_token = tokenizer.eos_token
            tokenizer.save_pretrained(folder)
        given = options(folder, tmp_path / f"{name}-out", max_steps=1, square_penalty=0.5)
        card = train(method, given, PAIRS)
        loss, expected = compared.pop()
        assert loss == pytest.approx(expected, abs=1e-6)
        assert all(side.trained == 1 for side in card.preview)
        assert card.preview[0].text.endswith(
            "»[1 tokens]«" if name == "own" else "»[1 tokens]«<|im_end|>"
        )


async def test_it_learns_what_is_preferred_and_a_saved_one_scores_as_it_did(
    tiny: Path, tmp_path: Path
) -> None:
    trainers = []

    def keep(context: TrainingContext[reward.Options]) -> Any:
        trainers.append(reward.METHOD.trainer(context))
        return trainers[-1]

    method = dataclasses.replace(reward.METHOD, trainer=keep)
    card = train(method, options(tiny, tmp_path / "m"), PAIRS)
    heldout = [pair(i) for i in range(20, 30)]
    found = await margins(tmp_path / "m", heldout)
    assert sum(margin > 0 for margin in found) >= 9
    model, tokenizer = trainers[0].model.eval(), AutoTokenizer.from_pretrained(tmp_path / "m")
    for example, margin in zip(heldout, found, strict=True):
        scores = []
        for index in find_preference(example):
            turns = [
                {"role": m.role, "content": m.content}
                for m in (*example.prompt, *example.responses[index].messages)
            ]
            scores.append(alone(model, tokenizer.apply_chat_template(turns, return_dict=False)))
        assert margin == pytest.approx(float(scores[0] - scores[1]), abs=1e-5)
    assert card.metrics["accuracy"] > 0.9 and card.metrics["margin"] > 0.5
    readme = (tmp_path / "m" / "README.md").read_text()
    assert f"accuracy {card.metrics['accuracy']:.4f}, margin {card.metrics['margin']:.4f}" in readme
    assert not (tmp_path / "m" / "generation_config.json").exists()


async def test_a_lora_trains_the_new_head_too(tiny: Path, tmp_path: Path) -> None:
    heads = []
    for out, steps in (("one", 1), ("many", 40)):
        given = options(tiny, tmp_path / out, lora_rank=4, max_steps=steps, warmup=0.0)
        card = train(reward.METHOD, given, PAIRS)
        assert 0 < card.trained_parameters < card.parameters
        heads.append(load_file(tmp_path / out / "model.safetensors")["score.weight"])
    assert (heads[0] - heads[1]).abs().max() > 1e-2
    assert sum(margin > 0 for margin in await margins(tmp_path / "many", PAIRS)) >= 18


def test_what_is_trained_is_float32_on_a_bfloat16_base(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers = []

    def on_bfloat16(context: TrainingContext[reward.Options]) -> Any:
        arguments = {**context.arguments, "bf16": True, "use_cpu": True}
        trainers.append(reward.METHOD.trainer(dataclasses.replace(context, arguments=arguments)))
        return trainers[-1]

    monkeypatch.setattr(loading, "choose_dtype", lambda lora_rank: "bfloat16")  # as on a GPU
    method = dataclasses.replace(reward.METHOD, trainer=on_bfloat16)
    train(method, options(tiny, tmp_path / "m", lora_rank=4, max_steps=2), PAIRS)
    types = {(p.requires_grad, p.dtype) for p in trainers[0].model.parameters()}
    assert (True, torch.bfloat16) not in types and (False, torch.bfloat16) in types


async def test_a_reward_model_can_be_trained_on(tiny: Path, tmp_path: Path) -> None:
    train(reward.METHOD, options(tiny, tmp_path / "first"), PAIRS)
    given = options(tmp_path / "first", tmp_path / "second", learning_rate=1e-9, max_steps=1)
    train(reward.METHOD, given, PAIRS)
    first, second = [await margins(tmp_path / name, PAIRS[:3]) for name in ("first", "second")]
    assert second == pytest.approx(first, abs=1e-4)


def test_pairs_that_are_too_long_are_counted(tiny: Path, tmp_path: Path) -> None:
    card = train(reward.METHOD, options(tiny, tmp_path / "m", max_length=50, max_steps=1), PAIRS)
    ((reason, count),) = card.data.skipped.items()
    assert "--max-length 50" in reason and 0 < count < 20
    assert card.data.rows + count == 20 and card.data.truncated == 0


def test_an_adapter_that_could_not_be_opened_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--save merged"):
        train(reward.METHOD, options(tiny, tmp_path / "m", lora_rank=4, save="adapter"), PAIRS)
