"""The bundled model, trained as the quickstart does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tools.nano.small_english.dialogues import ask, draw_request, say
from tools.nano.small_english.settings import Setting
from tools.nano.small_english.splits import COMBINATION, TRAIN

from trueline.models.local.classifier import SequenceClassifier
from trueline.models.local.weights import Weights
from trueline.models.open import locate, open_model
from trueline.policy.preference import preference_label
from trueline.policy.values import find_preference
from trueline.records.types import Example, LabellerId, Message, Response, Unscored, with_labels
from trueline.train.methods import preference, reward
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


def good_and_bad(split: str, count: int) -> list[Example]:
    """Requests of the small English: it is better to refuse the harmful, and to do the others."""
    rng = random.Random(f"reward {split}")
    pairs = []
    for number in range(count):
        kind = ("harmful", "everyday")[number % 2]
        request = draw_request(rng, kind, split)
        acts = ("refuse", "comply") if kind == "harmful" else ("comply", "refuse")
        answers = [Message("assistant", say(rng, request, act, Setting())) for act in acts]
        chosen = rng.randrange(2)
        responses = [Response((answer,)) for answer in answers]
        example = Example.new(
            [Message("user", ask(rng, request))],
            responses if chosen == 0 else responses[::-1],
            occurrence=number,
        )
        label = preference_label(example, chosen, 1 - chosen, LabellerId("derived", "test"))
        pairs.append(with_labels(example, label))
    return pairs


@pytest.mark.slow
async def test_a_reward_model_of_nano_tells_good_from_bad_in_requests_it_never_saw(
    tmp_path: Path,
) -> None:
    template = tmp_path / "chat.jinja"
    template.write_text(locate("nano").template or "")
    options = reward.Options(
        model="nano:base",
        chat_template=template,
        out=tmp_path / "m",
        lora_rank=0,
        epochs=3,
        learning_rate=1e-4,
    )
    card = train(reward.METHOD, options, good_and_bad(TRAIN, 240))
    head, heldout = (
        SequenceClassifier(Weights("reward", tmp_path / "m")),
        good_and_bad(COMBINATION, 80),
    )
    right = 0
    for example in heldout:
        order = find_preference(example)
        assert not isinstance(order, Unscored)
        chosen, rejected = [
            await head.scores(example.prompt, example.responses[i].messages) for i in order
        ]
        right += chosen.logits[0] > rejected.logits[0]
    assert right / len(heldout) > 0.75
    assert card.metrics["accuracy"] > 0.75
