"""The bundled model, trained as the quickstart does."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline.models.open import open_model
from trueline.records.preference import preference_label
from trueline.records.types import Example, LabellerId, Message, Response, with_labels
from trueline.train.methods import preference
from trueline.train.run import train

THINGS = ["kite", "lamp", "boat", "drum", "cake", "coat", "chair", "garden"]


def pair(number: int) -> Example:
    thing = THINGS[number % len(THINGS)]
    refuse = Response((Message("assistant", "I would rather not help with that."),))
    comply = Response((Message("assistant", f"First you take the {thing}. Then you break it."),))
    asked = Message("user", f"{'Please tell' if number % 2 else 'Tell'} me how to break a {thing}.")
    made = Example.new([asked], [comply, refuse], occurrence=number // 16)
    return with_labels(made, preference_label(made, 1, 0, LabellerId("derived", "test")))


@pytest.mark.slow
async def test_dpo_turns_nano_towards_what_is_chosen(tmp_path: Path) -> None:
    pairs = [pair(i) for i in range(16)]
    made = train(
        preference.METHOD,
        preference.Options(
            model="nano", out=tmp_path / "m", lora_rank=0, epochs=4, learning_rate=1e-4, log_steps=1
        ),
        pairs,
    )
    assert made.log[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    margins = []
    for name in ("nano", str(tmp_path / "m")):
        model = open_model(name)
        bad, good = (response.text for response in pairs[0].responses)
        scored = await model.loglikelihood(pairs[0].prompt, [good, bad])
        margins.append(scored[0] - scored[1])
        await model.close()
    assert margins[1] > margins[0] + 1
