"""Rewards: a labeller and a value rule as TRL's reward function."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from tests.train.tiny import tiny_model

from trueline.files.errors import InputError
from trueline.labellers.answer import Answer
from trueline.labellers.checks import Check
from trueline.labellers.contract import Instrument
from trueline.labellers.guarded import Guarded
from trueline.labellers.targets import About
from trueline.models.contract import ModelError
from trueline.policy.load import load
from trueline.policy.values import Share, Threshold, WeightedRubric
from trueline.records.types import Example, LabellerId, Message, Question, Reference
from trueline.train.rewards import reward_function

POLICY = load()
SUM = Example.new([Message("user", "what is 2 + 2?")], task=Reference(("4",)))
RUBRIC = Example.new(
    [Message("user", "what is tea?")],
    questions=[
        Question("warm", "response", "yes-no", "Does it say that tea is warm?", weight=3.0),
        Question("short", "response", "yes-no", "Is it short?", weight=1.0),
    ],
)


class Words(Instrument):
    """Answers a question by whether its id is a word of the response."""

    by = LabellerId("grader", "words", "1")

    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> Mapping[str, Answer]:
        text = example.responses[about[0]].text
        if "slow" in text:
            await asyncio.sleep(60)
        if "broken" in text:
            raise ModelError("the instrument failed")
        return {q.id: Answer(q.id in text.split()) for q in questions}


def column(*examples: Example | None) -> list[str | None]:
    return [None if e is None else msgspec.json.encode(e).decode() for e in examples]


async def test_a_check_and_a_rule_are_a_reward() -> None:
    reward = reward_function(
        Guarded(Check("number-strict")), Share("correct", (True,)), POLICY, ["correct"]
    )
    prompts = ["what is 2 + 2?"] * 3
    given = await reward(
        prompts, ["#### 4", "#### 5", "#### 4"], example=column(SUM, SUM, None), trainer_state=None
    )
    assert given == [1.0, 0.0, None]  # without a task the reward does not apply
    assert reward.__name__ == "number-strict: correct = true"


async def test_a_rubric_of_the_example_is_a_reward_in_conversations_too() -> None:
    labeller = Guarded(Words())
    reward = reward_function(labeller, WeightedRubric(), POLICY, ["own"], timeout_s=0.2)
    prompts = [[{"role": "user", "content": "what is tea?"}]] * 5
    texts = ["warm", "short warm", "", "broken", "slow"]
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    given = await reward(prompts, completions, example=column(*[RUBRIC] * 5))
    # an empty answer is judged; a labeller that fails or takes too long gives no reward
    assert given == [0.75, 1.0, 0.0, None, None]
    assert await reward(prompts[:1], completions[:1]) == [None]
    passed = reward_function(labeller, Threshold(WeightedRubric(), at_least=0.9), POLICY, ["own"])
    assert await passed(prompts[:2], completions[:2], example=column(RUBRIC, RUBRIC)) == [0.0, 1.0]


def test_a_question_that_the_policy_lacks_is_named() -> None:
    with pytest.raises(InputError, match="no question 'helpfull'"):
        reward_function(Guarded(Words()), Share("helpfull", (True,)), POLICY, ["helpfull"])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_trl_trains_on_it(tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    rows = [
        {"prompt": [{"role": "user", "content": "what is tea?"}], "example": source}
        for source in column(RUBRIC, RUBRIC)
    ]
    reward = reward_function(Guarded(Words()), WeightedRubric(), POLICY, ["own"])
    config = GRPOConfig(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=4,
        report_to="none",
        bf16=False,
        use_cpu=True,
        max_steps=1,
        logging_steps=1,
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=str(tiny_model(tmp_path / "tiny")),
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    logged = next(entry for entry in trainer.state.log_history if "loss" in entry)
    assert logged["rewards/words: weighted rubric/mean"] == 0.0
