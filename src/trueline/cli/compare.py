"""`trueline compare`: what changed between a base model and those made of it, and how sure that
is."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Meta

from trueline.cli.ending import report as print_report
from trueline.cli.options import make_command
from trueline.evaluate.compare.compare import compare, read
from trueline.evaluate.compare.headline import sound
from trueline.evaluate.results import Comparison, Difference
from trueline.files.text import escape_terminal
from trueline.report import page
from trueline.report.pairs import titles, verdict
from trueline.report.text import gain, is_share, number, part, probability, span
from trueline.runs.options import ARGUMENT, check_options


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of `trueline compare`."""

    base: Annotated[Path, Meta(description="Results folder of the base model.", extra=ARGUMENT)]
    treated: Annotated[
        tuple[Path, ...],
        Meta(description="Results folders of the models to compare with it.", extra=ARGUMENT),
    ]
    report: Annotated[Path | None, Meta(description="Web page to write.")] = None
    level: Annotated[
        float,
        Meta(description="False discovery rate at which a change is significant.", gt=0, lt=1),
    ] = 0.05
    json: Annotated[bool, Meta(description="Print the report as JSON.")] = False


def run(options: Options) -> None:
    check_options(options)
    base = read(options.base)
    comparisons = [compare(base, path, options.level) for path in options.treated]
    lines = [line for one in comparisons for line in format_comparison(one)]
    print_report(comparisons, lines[:-1], options.json)  # without the blank line at the end
    if options.report is not None:
        words = ["trueline", "compare", options.base, *options.treated, "--report", options.report]
        line = shlex.join([*map(str, words), "--level", str(options.level)])
        page.write(comparisons, options.report, command=line)
        where = sys.stderr if options.json else sys.stdout
        print(f"page: {escape_terminal(str(options.report))}", file=where)
    if not all(map(sound, comparisons)):
        raise typer.Exit(1)


def format_comparison(found: Comparison) -> Iterator[str]:
    """The comparison in lines for a person."""
    yield f"{found.treated.model} ({found.treated_folder}), against the base"
    yield f"{found.base.model} ({found.base_folder})"
    for group, title in titles({d.group for d in found.differences}).items():
        yield ""
        yield title
        yield from _table([d for d in found.differences if d.group == group], found.level)
    if found.differences:
        yield ""
        yield (
            "* stands for its benchmark in the headline. Gains are turned so that more is better; "
            f"q is adjusted over all metrics, significant at {found.level:g}."
        )
    for name, why in found.disagree.items():
        yield f"instruments disagree: {name}: {why}"
    for name, why in found.not_compared.items():
        yield f"not compared: {name}: {why}"
    yield ""
    yield found.headline
    yield ""


def _table(rows: list[Difference], level: float) -> Iterator[str]:
    """Each metric with its numbers below it, in columns."""
    figures = [_figures(one, level) for one in rows]
    widths = [max(map(len, column)) for column in zip(*figures, strict=True)]
    for one, row in zip(rows, figures, strict=True):
        metric = one.metric
        mark = "*" if one.primary else " "
        yield f"{mark} {metric.benchmark}: {metric.key}, {metric.better} is better"
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("    " + "  ".join(cells)).rstrip()
        yield from (f"    {note}" for note in _notes(one))


def _figures(one: Difference, level: float) -> list[str]:
    metric = one.metric
    means = f"{number(one.base.estimate, metric)} → {number(one.treated.estimate, metric)}"
    covered = (part(share) for share in one.coverage)
    scored = f"scored {' and '.join(covered)} of {one.items:,}"
    if one.withheld is not None:
        return [means, "no gain is claimed", "withheld", "", scored]
    return [
        means,
        gain(one.gain, metric),
        verdict(one, level),
        f"q {probability(one.q)}",
        scored,
    ]


def _notes(one: Difference) -> Iterator[str]:
    if one.withheld is not None or min(share or 0.0 for share in one.coverage) < 1:
        could = span(one.least, one.most, one.metric, "+")
        unit = " points" if is_share(one.metric) else ""
        yield f"whatever the unscored are, the gain is {could}{unit}"
    if one.withheld is not None:
        yield f"withheld: {one.withheld}"
    if any(spread is not None for spread in one.spread):
        told = ("unknown" if s is None else f"{s:.3f}" for s in one.spread)
        yield f"between repeats: {' and '.join(told)}"


command = make_command(
    Options,
    run,
    "Compare models on the same items: paired differences, with intervals, over all benchmarks.",
)
