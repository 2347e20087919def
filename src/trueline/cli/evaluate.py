"""`trueline evaluate`: a model on benchmarks, with intervals and coverage beside every number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from trueline.cli.ending import fell_short, report, show_json
from trueline.cli.options import make_command
from trueline.evaluate.benchmarks.benchmark import describe_benchmark, select_benchmarks
from trueline.evaluate.options import LOCAL, Options
from trueline.evaluate.results import MetricResult, Results
from trueline.evaluate.run import Outcome, evaluate
from trueline.files.text import escape_terminal
from trueline.labellers.registry import describe_kinds
from trueline.policy.load import load


def run(options: Options) -> None:
    if options.list:
        listing(options.benchmark, options.json)
        return
    outcome = evaluate(options)
    if outcome is None:  # a dry run has said what it has to say
        return
    report(outcome.results, format_outcome(outcome, options.out), options.json)
    if fell_short(outcome.run) or not outcome.sound:
        raise typer.Exit(1)


def listing(names: Sequence[str], as_json: bool) -> None:
    """The benchmarks of these names, with what each measures and where its items are."""
    wanted = ["all" if name == LOCAL else name for name in names]
    found = [describe_benchmark(one) for one in select_benchmarks(wanted, load())]
    if as_json:
        show_json(found)
        return
    group = None
    for one in found:
        if one["group"] != group:
            group = one["group"]
            print(group)
        print(f"  {one['name']:28} {escape_terminal(one['about'])}")
        told = f"{one['kind']}; {', '.join(one['metrics'])}; {one['source']}; {one['license']}"
        print(f"  {'':28} {escape_terminal(told)}")
    print(f"{len(found)} benchmarks")


def format_outcome(outcome: Outcome, out: Any) -> Iterator[str]:
    """The outcome in lines for a person."""
    found = outcome.results
    yield f"{found.model} on {len(found.benchmarks)} benchmarks, in {out}"
    for ran in found.benchmarks:
        yield f"{ran.name} ({ran.group}), {ran.items:,} items: {ran.about}"
        if not ran.pinned:
            yield f"  its data were not known before: pinned now, sha256 {ran.data_hash[:12]}…"
        if ran.filtered_rows:
            yield f"  {ran.filtered_rows:,} rows of its data are passed over by its `where`"
        if ran.invalid_rows:
            yield f"  {ran.invalid_rows:,} rows of its data are no items: they lie with the rejects"
        for one in found.metrics:
            if one.metric.benchmark == ran.name:
                yield from _lines(one)
    yield from _left_out(found.left_out)
    yield from _cards(found)


def _left_out(left_out: dict[str, str]) -> Iterator[str]:
    """What was not measured, by the reason."""
    by_reason: dict[str, list[str]] = {}
    for name, why in left_out.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in by_reason.items():
        yield f"not measured, because {why}: {'; '.join(names)}"


def _lines(one: MetricResult) -> Iterator[str]:
    metric, mean = one.metric, one.interval
    what = f"{metric.key}, {metric.better} is better"
    covered = f"{one.scored:,} of {one.items:,} scored"
    if one.n_missing:
        scored, asked = one.answers
        covered += f" ({scored:,} of {asked:,} answers)"
    if one.headline:
        spread = "" if one.spread is None else f"; {one.spread:.3f} between repeats"
        ends = mean.limits
        limits = f"({ends[0]:.3f} to {ends[1]:.3f})" if ends else "(no interval)"
        note = f"; {mean.note}" if mean.note else ""
        yield f"  {mean.estimate:.3f} {limits}  {what}; {covered}{spread}{note}"
    else:
        known = one.least is not None and one.most is not None
        could = f"{one.least:.3f} to {one.most:.3f}" if known else "unknown"
        yield f"  too few for a headline: {could}  {what}; {covered}"
    for why, count in sorted(one.unscored.items(), key=lambda pair: -pair[1])[:5]:
        yield f"    unscored: {count:,} × {why}"


def _cards(found: Results) -> Iterator[str]:
    """How far each instrument agrees with people, where that was measured."""
    from trueline.agreement.cards import find_card, format_card

    asked: dict[tuple[str, str | None], list[str]] = {}
    for one in found.metrics:
        if one.metric.measured:
            key = one.metric.name, one.metric.instrument
            asked.setdefault(key, []).append(one.metric.question)
    for (name, instrument), questions in asked.items():
        card = format_card(find_card(instrument), dict.fromkeys(questions))
        yield f"{name}: {card[0]}"
        yield from card[1:]


# \b keeps the lines of a list as they are.
HELP = f"""Ask a model the items of benchmarks and score its answers.

With --list, say which benchmarks there are. A judge is any labeller:

\b
{describe_kinds()}"""
command = make_command(Options, run, HELP)
