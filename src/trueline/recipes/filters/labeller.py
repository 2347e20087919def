"""A labeller as a filter: whatever answers questions can decide which Examples pass."""

from __future__ import annotations

from trueline.files.errors import InputError
from trueline.labellers.contract import bound_questions
from trueline.labellers.registry import enter_labeller, labeller_input
from trueline.labellers.targets import select_questions
from trueline.policy.types import Policy
from trueline.records.types import Example, Question, with_labels
from trueline.runs.context import RunContext
from trueline.runs.stage import Calls, Outcome, Rejected


def find_filter_question(name: str, policy: Policy) -> Question:
    """The policy's question of this id.  Raises InputError if it cannot decide what passes."""
    if name not in policy:
        raise InputError(f"--question {name}: the policy has {', '.join(sorted(policy))}")
    question = policy[name]
    if question.kind != "yes-no" or question.about == "pair":
        raise InputError(
            f"--question {name} is {question.kind} about the {question.about}: the filter asks a "
            "yes-no question about the prompt or the response"
        )
    return question


async def labeller_filter(
    context: RunContext, *, name: str, question: str, expected: bool
) -> Calls:
    """Asks the labeller a yes-no question about each Example's prompt or responses.

    The labels stay with the Example.  It is rejected if any answer is not the expected one, and
    if there is none: unscored is not a pass.
    """
    find_filter_question(question, context.policy)
    asked = select_questions([question], context.policy)
    labeller = await enter_labeller(context, name, asked, retry_later=True)

    async def step(example: Example) -> Outcome:
        example = with_labels(example, *await labeller.label(example, asked.policy))
        answers = [label for label in example.labels if label.question == question]
        if not answers:
            return Rejected(example, f"{question} was not asked")
        for label in answers:
            if label.unscored is not None:
                return Rejected(example, "unscored", label.unscored)
            if label.value is not expected:
                return Rejected(example, f"{question} answered {'yes' if label.value else 'no'}")
        return example

    bound = bound_questions(labeller, asked.policy, prompts=1, responses=1)
    return Calls(
        step, bounds={name: bound}, parallel=labeller.parallel, inputs=(labeller_input(labeller),)
    )
