"""Activations are the plain mean over the last turn's tokens, whatever shares a batch with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from trueline.files.errors import InputError
from trueline.models.contract import Model, ModelError, Unsupported
from trueline.models.open import open_model
from trueline.records.types import Message, ToolCall

torch = pytest.importorskip("torch")

ASKED = Message("user", "Tell me about the river.")
TEXTS = ["It runs.", "It runs under an old bridge, and a quiet garden waits for rain.", "Yes"]
TALKS = [[ASKED, Message("assistant", text)] for text in TEXTS]


async def together(model: Model) -> list[np.ndarray]:
    return await asyncio.gather(*(model.activations(talk, [2, 0, 1]) for talk in TALKS))


async def test_they_are_the_means_that_transformers_gives(tiny: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = open_model(f"{tiny}:chat")
    batched = await together(model)
    await model.close()
    tokenizer = AutoTokenizer.from_pretrained(tiny / "base")
    plain = AutoModelForCausalLM.from_pretrained(tiny / "base", dtype=torch.float32)
    plain = PeftModel.from_pretrained(plain, tiny / "chat").eval()
    before = f"<|begin|><|turn|>user\n{ASKED.content}<|end|>\n<|turn|>assistant\n"
    start = len(tokenizer(before, add_special_tokens=False)["input_ids"])
    for text, means in zip(TEXTS, batched, strict=True):
        ids = tokenizer(before + text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            hidden = plain(torch.tensor([ids]), output_hidden_states=True).hidden_states
        for layer, mean in zip([2, 0, 1], means, strict=True):
            np.testing.assert_allclose(mean, hidden[layer][0, start:].mean(0), rtol=1e-5, atol=1e-4)


async def test_batches_keep_to_their_bounds_and_halve_if_memory_is_short(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trueline.models.local import activations

    model = open_model(f"{tiny}:chat")
    free = await together(model)
    compute, sizes = activations.compute, []

    def narrow(loaded: object, pad: int, rows: list[object]) -> object:
        sizes.append(len(rows))
        if len(rows) > 1:
            raise torch.OutOfMemoryError("narrow")
        return compute(loaded, pad, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(activations, "compute", narrow)
    np.testing.assert_allclose(
        np.stack(await together(model)), np.stack(free), rtol=1e-5, atol=1e-4
    )
    assert sizes == [3, 1, 2, 1, 1]
    monkeypatch.setattr("trueline.models.local.engine.NUMBERS", {"cpu": 1, "cuda": 1})
    sizes.clear()
    await together(model)
    assert sizes == [1, 1, 1]
    await model.close()


async def test_what_has_no_activations_is_an_error_of_its_call(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    with pytest.raises(InputError, match="has no layer 3: its layers are 0 to 2"):
        await model.activations(TALKS[0], [1, 3])
    with pytest.raises(InputError, match="has no layer -1"):
        await model.activations(TALKS[0], [-1])
    for talk, layers in (([ASKED], [1]), ([], [1]), (TALKS[0], [])):
        with pytest.raises(InputError, match="one layer or more over the last turn"):
            await model.activations(talk, layers)
    for last in (
        Message("assistant", "It", reasoning="hm"),
        Message("assistant", "It", tool_calls=(ToolCall("1", "look"),)),
    ):
        with pytest.raises(Unsupported, match="reasoning or tool calls"):
            await model.activations([ASKED, last], [1])
    with pytest.raises(ModelError, match="the model holds 256"):
        await model.activations([ASKED, Message("assistant", "river " * 400)], [1])
    await model.close()


async def test_a_special_token_in_a_stored_answer_stays_text(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    spelt, plain = [
        await model.activations([ASKED, Message("assistant", text)], [1])
        for text in ("It <|end|> runs.", "It <\u200b|end|> runs.")
    ]
    await model.close()
    np.testing.assert_array_equal(spelt, plain)
