"""Who scores a benchmark's answers: its metrics, each with the labeller that measures it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from trueline.evaluate.asking import AskSettings
from trueline.evaluate.benchmarks.benchmark import Benchmark, MetricSpec
from trueline.evaluate.results import Metric
from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.labellers.checks import CHECKS
from trueline.labellers.contract import Labeller, bound_questions
from trueline.labellers.registry import enter_labeller
from trueline.labellers.targets import QuestionSet, questions_of, select_questions
from trueline.policy.types import Policy
from trueline.policy.values import OWN, Mean, NumberRule, Share, WeightedRubric
from trueline.records.types import Example
from trueline.runs.context import RunContext
from trueline.runs.stage import Bound

JUDGE = "judge"
"""How a benchmark names the labellers that the user names with --judge."""


class MetricLabeller(Struct, frozen=True):
    """A metric, the labeller that measures it, and all questions that this labeller is asked."""

    metric: Metric
    labeller: Labeller
    asked: QuestionSet


async def open_metrics(
    one: Benchmark, how: AskSettings, judges: Sequence[str], context: RunContext
) -> tuple[list[MetricLabeller], dict[str, str]]:
    """A benchmark's metrics in their order, whose labellers are open until the run ends; and, by
    `BENCHMARK: METRIC`, why a metric has none."""
    metrics, missing, policy = [], {}, context.policy
    labellers: dict[str, tuple[Labeller, QuestionSet]] = {}
    for score in one.metric:
        by = _written_form(score.by) if how.written else score.by
        names = list(judges) if by == JUDGE else [by]
        if not names:
            missing[f"{one.name}: {score.question}"] = "it takes a judge (--judge)"
        for name in names:
            if name not in labellers:
                same = [s.question for s in one.metric if s.by == score.by]
                asked = select_questions(same, policy)
                try:
                    labeller = await enter_labeller(context, name, asked)
                except InputError as error:
                    if by == JUDGE:  # whoever named it knows its name
                        raise
                    checks = f"Checks are: {', '.join(plugins.names(CHECKS))}"
                    raise InputError(f"{one.name}: by {name!r}: {error}\n{checks}") from error
                labellers[name] = labeller, asked
            labeller, asked = labellers[name]
            metrics.append(MetricLabeller(_metric(one, score, labeller, policy), labeller, asked))
    return metrics, missing


def _written_form(by: str) -> str:
    """The labeller that takes the place of `by` if choices are written, not made by likelihood."""
    if by not in plugins.names(CHECKS):
        return by
    return getattr(plugins.find(CHECKS, by), "WRITTEN", by)


def _metric(one: Benchmark, score: MetricSpec, labeller: Labeller, policy: Policy) -> Metric:
    if score.question == OWN:
        own = WeightedRubric(labeller.by)
        return Metric(one.name, score.by, own, score.better, measured=labeller.measured)
    question, low, high = policy[score.question], 0.0, 1.0
    if question.kind == "scale" and not score.value:
        low, high = float(min(question.levels)), float(max(question.levels))
    accepted = score.value or ((True,) if question.kind == "yes-no" else ())
    rule: NumberRule = Mean(question.id, labeller.by)
    if accepted:
        rule = Share(question.id, accepted, labeller.by)
    return Metric(one.name, score.by, rule, score.better, low, high, labeller.measured)


def bound_scoring(metrics: Sequence[MetricLabeller], item: Example, responses: int) -> Bound:
    """The most calls and completion tokens to score an item with that many responses."""
    bound = Bound()
    for one in {id(metric.labeller): metric for metric in metrics}.values():
        questions = questions_of(item, one.asked)
        bound += bound_questions(one.labeller, questions, prompts=1, responses=responses)
    return bound
