"""`trueline evaluate`: a model's answers to benchmarks, scored, in a new folder of results.

Items of all benchmarks walk through one stream; the ledger, the budget, rejects and resuming are
those of every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
from msgspec import Struct

from trueline.evaluate import results
from trueline.evaluate.asking import AskSettings, kinds
from trueline.evaluate.benchmarks.benchmark import Benchmark
from trueline.evaluate.benchmarks.items import TAG
from trueline.evaluate.instruments import MetricLabeller, bound_scoring, open_metrics
from trueline.evaluate.options import Options
from trueline.evaluate.plan import Plan, plan
from trueline.evaluate.results import BenchmarkRun, Metric, Results
from trueline.evaluate.scores import MetricScores, gather, summarise
from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.labellers.registry import labeller_input
from trueline.labellers.targets import questions_of
from trueline.models.contract import Model
from trueline.models.open import without_key
from trueline.models.roles import Role
from trueline.policy.load import load as load_policy
from trueline.policy.types import Policy
from trueline.records.types import Example, with_labels
from trueline.runs.context import RunContext
from trueline.runs.options import check_options
from trueline.runs.record import Input, RunRecord, path_input
from trueline.runs.run import open_run
from trueline.runs.stage import AsyncStep, Bound, Calls, Stage
from trueline.runs.sync import run_sync


class Outcome(Struct, frozen=True):
    """An evaluation: its run and its results."""

    run: RunRecord
    results: Results

    @property
    def sound(self) -> bool:
        """Complete, each metric scored often enough for a headline, no benchmark left out, and no
        row of their data that is no item."""
        whole = self.run.complete and all(one.headline for one in self.results.metrics)
        fit = not any(one.invalid_rows for one in self.results.benchmarks)
        return whole and fit and not any(":" not in name for name in self.results.left_out)


def evaluate(options: Options) -> Outcome | None:
    """Ask a model the items of benchmarks and score its answers into a new folder; None where the
    dry run only counted.

    Raises InputError for options, benchmarks or data that are not what they should be, before
    anything is asked.
    """
    check_options(options)
    policy = load_policy(options.policy)
    if options.repeats > 1 and not options.temperature:
        raise InputError("--repeats draws the same answer each time at --temperature 0")
    if (options.rescore is None) == (not options.model):
        raise InputError("name either a model or, with --rescore, a folder of results")
    found = plan(options, policy)
    weighed = [p.ran.name for p in found.benchmarks if p.ran.kind == "choice" and not p.how.written]
    if weighed and options.model.lower().startswith(("http://", "https://")):
        raise InputError(
            "an endpoint gives no likelihoods, by which choices are made: say --choice written, "
            f"which is another measure, or leave out {', '.join(weighed)}"
        )
    if options.dry_run:
        print(run_sync(_bounds(options, policy, found)))
        return None
    return run_sync(_evaluate(options, policy, found))


async def _bounds(options: Options, policy: Policy, todo: Plan) -> str:
    """The most calls and tokens that it could need, before retries."""
    async with RunContext(policy, dry=True) as context:
        metrics = {}
        for one in todo.benchmarks:
            opened, _ = await open_metrics(one.benchmark, one.how, options.judge, context)
            metrics[one.ran.name] = opened
        repeats = {one.ran.name: one.how.repeats for one in todo.benchmarks}
        scoring = dict.fromkeys(metrics, Bound())
        for item in todo.stream():
            if isinstance(item, Example):
                name = item.tag(TAG) or ""
                scoring[name] += bound_scoring(metrics[name], item, repeats[name])
        return todo.bounds(scoring)


async def _evaluate(options: Options, policy: Policy, todo: Plan) -> Outcome:
    instruments: dict[str, list[MetricLabeller]] = {}
    left_out = dict(todo.left_out)
    async with open_run("evaluate", options, policy) as running:
        for one in todo.benchmarks:
            instruments[one.ran.name], missing = await open_metrics(
                one.benchmark, one.how, options.judge, running
            )
            left_out |= missing
        if todo.earlier is None:
            name, identity = without_key(options.model), running.model(options.model).identity
        else:
            name, identity = todo.earlier.model, todo.earlier.identity
        metrics = [one.metric for some in instruments.values() for one in some]
        ran = [_with_primary(one.ran, instruments[one.ran.name]) for one in todo.benchmarks]

        def finish(run: RunRecord) -> None:
            scores = gather(options.out, metrics, policy)
            found = _results(name, identity, ran, metrics, left_out, scores, run)
            results.write(found, options.out)

        run = await running.write(
            todo.stream(),
            make_stages(todo, options.model, options.judge),
            total=todo.total,
            finish=finish,
            inputs=_inputs(todo, ran),
            chosen=digest([[r.name, r.data_hash, r.items_hash, r.asking_hash] for r in ran]),
            instruments=digest([[m.key, m.instrument] for m in metrics]),
            answers=identity,
        )
    if not run.complete:
        finish(run)
    return Outcome(run, results.read(options.out))


def make_stages(todo: Plan, model: str, judges: tuple[str, ...]) -> list[Stage]:
    """The way of an item: the model answers it, unless its answer is there, and it is scored."""
    benchmarks = tuple((one.benchmark, one.how) for one in todo.benchmarks)
    score = Stage("score", partial(score_items, benchmarks=benchmarks, judges=judges))
    if todo.earlier is not None:
        return [score]
    settings = {one.ran.name: one.how for one in todo.benchmarks}
    return [Stage("ask", partial(ask_items, model=model, settings=settings)), score]


def _inputs(todo: Plan, ran: Sequence[BenchmarkRun]) -> list[Input]:
    """The benchmarks' data, and the results that are scored again."""
    found = [Input(f"{one.name}: {one.source}", "benchmark", one.data_hash) for one in ran]
    if todo.rescore is not None:
        found.append(path_input(todo.rescore, "results"))
    return found


def ask_items(context: RunContext, *, model: str, settings: dict[str, AskSettings]) -> AsyncStep:
    """Adds the target's answers, as each item's benchmark asks for them."""
    models: dict[Role, Model] = {"target": context.model(model, "target")}
    known = kinds()

    async def step(example: Example) -> Example:
        one = settings[example.tag(TAG) or ""]
        answered: Example = await known[one.spec.kind].ask(models, example, one)
        return answered

    return step


async def score_items(
    context: RunContext,
    *,
    benchmarks: Sequence[tuple[Benchmark, AskSettings]],
    judges: Sequence[str],
) -> Calls:
    """Adds the labels of every instrument of the item's benchmark."""
    instruments = {
        benchmark.name: (await open_metrics(benchmark, how, judges, context))[0]
        for benchmark, how in benchmarks
    }

    async def step(example: Example) -> Example:
        asked: dict[int, MetricLabeller] = {}
        for one in instruments[example.tag(TAG) or ""]:
            asked.setdefault(id(one.labeller), one)
        for one in asked.values():
            example = with_labels(
                example, *await one.labeller.label(example, questions_of(example, one.asked))
            )
        return example

    labellers = [labeller_input(m.labeller) for some in instruments.values() for m in some]
    return Calls(step, inputs=tuple(dict.fromkeys(labellers)))


def _with_primary(ran: BenchmarkRun, instruments: Sequence[MetricLabeller]) -> BenchmarkRun:
    """With the metric that stands for the benchmark: the first that is measured."""
    return msgspec.structs.replace(ran, primary=instruments[0].metric.key if instruments else "")


def _results(
    name: str,
    identity: str,
    ran: list[BenchmarkRun],
    metrics: Sequence[Metric],
    left_out: dict[str, str],
    scores: dict[tuple[str, str], MetricScores],
    run: RunRecord,
) -> Results:
    items = {one.name: one.items for one in ran}
    return Results(
        trueline=results.VERSION,
        model=name,
        identity=identity,
        argv=run.argv,
        config=run.settings,
        versions=run.versions,
        benchmarks=ran,
        metrics=[summarise(m, scores[m.benchmark, m.key], items[m.benchmark]) for m in metrics],
        left_out=left_out,
        spend=run.spend,
        complete=run.complete,
        started=run.started,
        finished=run.finished,
    )
