"""`trueline evaluate`: a model on benchmarks, with intervals and coverage beside every number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from trueline.cli.ending import fell_short, report, show_json
from trueline.cli.options import command as made
from trueline.cli.show import safe
from trueline.evaluate.options import Options
from trueline.labellers.registry import describe_kinds

if TYPE_CHECKING:
    from trueline.evaluate.results import MetricResult, Results
    from trueline.evaluate.run import Outcome


def run(options: Any) -> None:
    if options.list:
        listing(options.benchmarks, options.json)
        return
    from trueline.evaluate.run import evaluate

    outcome = evaluate(options)
    if outcome is None:  # a dry run has said what it has to say
        return
    report(outcome.results, told(outcome, options.out), options.json)
    if fell_short(outcome.run) or not outcome.sound:
        raise typer.Exit(1)


def listing(names: str, as_json: bool) -> None:
    """The benchmarks of these names, with what each measures and where its items are."""
    from trueline.evaluate.benchmarks.benchmark import chosen, described
    from trueline.evaluate.options import LOCAL
    from trueline.policy.load import load

    wanted = ["all" if n == LOCAL else n for n in map(str.strip, names.split(",")) if n]
    found = [described(one) for one in chosen(wanted, load())]
    if as_json:
        show_json(found)
        return
    group = None
    for one in found:
        if one["group"] != group:
            group = one["group"]
            print(group)
        print(f"  {one['name']:28} {safe(one['about'])}")
        told = f"{one['kind']}; {', '.join(one['metrics'])}; {one['source']}; {one['license']}"
        print(f"  {'':28} {safe(told)}")
    print(f"{len(found)} benchmarks")


def told(outcome: Outcome, out: Any) -> Iterator[str]:
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
    from trueline.agreement.cards import lines, lookup

    asked: dict[tuple[str, str | None], list[str]] = {}
    for one in found.metrics:
        if one.metric.measured:
            key = one.metric.name, one.metric.instrument
            asked.setdefault(key, []).append(one.metric.question)
    for (name, instrument), questions in asked.items():
        card = lines(lookup(instrument), dict.fromkeys(questions))
        yield f"{name}: {card[0]}"
        yield from card[1:]


# \b keeps the lines of a list as they are.
HELP = f"""Ask a model the items of benchmarks and score its answers.

With --list, say which benchmarks there are. A judge is any labeller:

\b
{describe_kinds()}"""
command = made(Options, run, HELP)
