"""Who scores a benchmark's answers: its metrics, each with the labeller that measures it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from msgspec import Struct

from trueline.evaluate.asking import How
from trueline.evaluate.benchmarks.benchmark import Benchmark, Score
from trueline.evaluate.results import Metric
from trueline.files.errors import InputError
from trueline.labellers.checks import Check, checks
from trueline.labellers.contract import Labeller
from trueline.labellers.native_labels import able
from trueline.labellers.registry import Judging, open_labeller
from trueline.labellers.targets import with_parents
from trueline.models.contract import Model
from trueline.models.open import without_key
from trueline.policy.types import Policy
from trueline.records.types import Question

JUDGE = "judge"
JUDGING = Judging()
Open = Callable[[str], Model]


class Instrument(Struct, frozen=True):
    """A metric, who measures it, and all that is asked of them together."""

    metric: Metric
    labeller: Labeller
    questions: list[Question]


async def opened(
    one: Benchmark,
    how: How,
    judges: Sequence[str],
    policy: Policy,
    model: Open,
    stack: AsyncExitStack,
) -> tuple[list[Instrument], dict[str, str]]:
    """A benchmark's instruments, open as long as the stack is, in the order of its metrics; and,
    by `BENCHMARK: METRIC`, why a metric has none."""
    found, missing = [], {}
    labellers: dict[str, tuple[Labeller, list[Question]]] = {}
    for score in one.score:
        by = "letter" if how.written and score.by == "choice" else score.by
        names = list(judges) if by == JUDGE else [by]
        if not names:
            missing[f"{one.name}: {score.question}"] = "it takes a judge (--judge)"
        for name in names:
            if name not in labellers:
                same = [s.question for s in one.score if s.by == score.by]
                questions = with_parents(same, policy)
                try:
                    made = await _labeller(name, questions, policy, model, stack)
                except InputError as error:
                    if by == JUDGE:  # whoever named it knows its name
                        raise
                    known = ", ".join(checks())
                    told = f"{one.name}: by {name!r}: {error}\nChecks are: {known}"
                    raise InputError(told) from error
                labellers[name] = made, questions
            labeller, questions = labellers[name]
            found.append(Instrument(_metric(one, score, labeller, policy), labeller, questions))
    return found, missing


async def _labeller(
    name: str, questions: list[Question], policy: Policy, model: Open, stack: AsyncExitStack
) -> Labeller:
    if name in checks():
        able(f"the check {name!r}", (checks()[name].QUESTION,), questions)
        return Check(name)
    return await stack.enter_async_context(open_labeller(name, questions, policy, model, JUDGING))


def _metric(one: Benchmark, score: Score, labeller: Labeller, policy: Policy) -> Metric:
    question, low, high = policy[score.question], 0.0, 1.0
    if question.kind == "scale" and not score.value:
        low, high = float(min(question.levels)), float(max(question.levels))
    return Metric(
        benchmark=one.name,
        question=question.id,
        by=score.by,
        name=without_key(labeller.by.name),
        instrument=labeller.by.instrument,
        better=score.better,
        value=score.value or ((True,) if question.kind == "yes-no" else ()),
        low=low,
        high=high,
    )


def bound_of(
    one: Benchmark, how: How, judges: Sequence[str], *, answered: bool = False
) -> tuple[int, int]:
    """The most calls and completion tokens of an item that is not `answered` yet; a judge may need
    two calls a response."""
    likely = one.ask.kind == "choice" and not how.written
    calls, tokens = (1, 0) if likely else (how.repeats, how.repeats * one.ask.max_tokens)
    if answered:
        calls = tokens = 0
    asked = len(judges) * how.repeats * any(score.by == JUDGE for score in one.score)
    return calls + 2 * asked, tokens + 2 * asked * JUDGING.tokens
