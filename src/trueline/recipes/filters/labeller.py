"""A labeller as a filter: whatever answers questions can decide which Examples pass."""

from __future__ import annotations

from collections.abc import Sequence

from trueline.files.errors import InputError
from trueline.labellers.contract import bound_questions
from trueline.labellers.registry import enter_labeller, labeller_input
from trueline.labellers.targets import select_questions
from trueline.policy.answers import choices
from trueline.policy.types import Policy
from trueline.records.types import Example, Value, with_labels
from trueline.runs.context import RunContext
from trueline.runs.stage import Calls, Outcome, Rejected


def accepted_answers(question: str, words: Sequence[str], policy: Policy) -> tuple[Value, ...]:
    """The answers that these words name, "yes" or an option or a level, to a policy's question.

    Raises InputError if the policy has no such question, if it cannot decide what passes, or if it
    has no such answer.
    """
    if question not in policy:
        raise InputError(f"--question {question}: the policy has {', '.join(sorted(policy))}")
    asked = policy[question]
    if asked.kind in ("some-of", "number") or asked.about == "pair":
        raise InputError(
            f"--question {question} is {asked.kind} about the {asked.about}: the filter asks for "
            "one answer of several, about the prompt or the response"
        )
    answers = {_word(value): value for value in choices(asked)}
    for word in words:
        if word not in answers:
            raise InputError(f"--expect {word}: {question} is answered {', '.join(answers)}")
    return tuple(answers[word] for word in words)


async def labeller_filter(
    context: RunContext, *, name: str, question: str, accept: tuple[Value, ...]
) -> Calls:
    """Asks the labeller a question about each Example's prompt or responses.

    The labels stay with the Example.  It is rejected if an answer is none of those in `accept`,
    and if there is no answer: unscored is not a pass.
    """
    asked = select_questions([question], context.policy)
    labeller = await enter_labeller(context, name, asked, retry_later=True)

    async def step(example: Example) -> Outcome:
        labels = await labeller.label(example, asked.policy)
        example = with_labels(example, *labels)
        answers = [label for label in labels if label.question == question]
        if not answers:
            return Rejected(example, f"{question} was not asked")
        for label in answers:
            if label.value is None:
                return Rejected(example, "unscored", label.unscored or "")
            if label.value not in accept:
                return Rejected(example, f"{question} answered {_word(label.value)}")
        return example

    bound = bound_questions(labeller, asked.policy, prompts=1, responses=1)
    return Calls(
        step, bounds={name: bound}, parallel=labeller.parallel, inputs=(labeller_input(labeller),)
    )


def _word(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
