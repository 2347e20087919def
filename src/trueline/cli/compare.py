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
from trueline.evaluate.compare.compare import compare, read_side
from trueline.evaluate.compare.headline import is_complete
from trueline.evaluate.results import Comparison, Difference, GroupMeans
from trueline.files.text import escape_terminal
from trueline.report import page
from trueline.report.pairs import find_verdict, group_titles
from trueline.report.text import (
    format_coverage,
    format_gain,
    format_mean,
    format_number,
    format_probability,
    format_range,
)
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
    keep_texts = options.report is not None
    base = read_side(options.base, keep_texts=keep_texts)
    sides = [read_side(path, keep_texts=keep_texts) for path in options.treated]
    comparisons = [compare(base, side, options.level) for side in sides]
    lines = [line for comparison in comparisons for line in format_comparison(comparison)]
    print_report(comparisons, lines[:-1], options.json)  # without the blank line at the end
    if options.report is not None:
        words = ["trueline", "compare", options.base, *options.treated, "--report", options.report]
        line = shlex.join([*map(str, words), "--level", str(options.level)])
        page.write(comparisons, options.report, sides=[base, *sides], command=line)
        stream = sys.stderr if options.json else sys.stdout
        print(f"page: {escape_terminal(str(options.report))}", file=stream)
    if not all(map(is_complete, comparisons)):
        raise typer.Exit(1)


def format_comparison(comparison: Comparison) -> Iterator[str]:
    """The comparison in lines for a person."""
    yield f"{comparison.treated.model} ({comparison.treated_folder}), against the base"
    yield f"{comparison.base.model} ({comparison.base_folder})"
    differences, level = comparison.differences, comparison.level
    for group, title in group_titles({d.group for d in differences}).items():
        yield ""
        yield title
        yield from _table([d for d in differences if d.group == group], level)
    if differences:
        yield ""
        yield (
            "* stands for its benchmark in the headline. Gains are turned so that more is better; "
            f"q is adjusted over all metrics, significant at {level:g}."
        )
    if comparison.group_means:
        yield "Means over the primary metrics of a group, each benchmark counting once:"
    for group, means in comparison.group_means.items():
        yield from _group_means(group, means)
    for name, views in comparison.disagreements.items():
        yield f"instruments disagree: {name}: {views}"
    for name, why in comparison.not_compared.items():
        yield f"not compared: {name}: {why}"
    yield ""
    yield comparison.headline
    yield ""


def _group_means(group: str, means: GroupMeans) -> Iterator[str]:
    yield f"  {group}: {format_mean(means.base)} → {format_mean(means.treated)}"
    for measure, benchmarks in means.measures.items():
        yield f"    {measure}, on {', '.join(benchmarks)}"
    left_out = [f"{name} (withheld)" for name in means.withheld]
    left_out += [f"{name} (another measure)" for name in means.other_measures]
    if left_out:
        yield f"    left out: {', '.join(left_out)}"


def _table(differences: list[Difference], level: float) -> Iterator[str]:
    """Each metric with its numbers below it, in columns."""
    rows = [_figures(d, level) for d in differences]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for d, row in zip(differences, rows, strict=True):
        mark = "*" if d.primary else " "
        yield f"{mark} {d.metric.benchmark}: {d.metric.key}, {d.metric.better} is better"
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("    " + "  ".join(cells)).rstrip()
        yield from (f"    {note}" for note in _notes(d))


def _figures(d: Difference, level: float) -> list[str]:
    base, treated = (format_number(side.estimate, d.metric) for side in (d.base, d.treated))
    coverage = " and ".join(map(format_coverage, d.coverage))
    scored = f"scored {coverage} of {d.items:,}"
    if d.withheld is not None:
        return [f"{base} → {treated}", "no gain is claimed", "withheld", "", scored]
    return [
        f"{base} → {treated}",
        format_gain(d.gain, d.metric),
        find_verdict(d, level),
        f"q {format_probability(d.q)}",
        scored,
    ]


def _notes(d: Difference) -> Iterator[str]:
    if d.withheld is not None or min(share or 0.0 for share in d.coverage) < 1:
        bounds = format_range(d.least, d.most, d.metric, "+")
        unit = " points" if d.metric.is_share else ""
        yield f"whatever the unscored are, the gain is {bounds}{unit}"
    if d.withheld is not None:
        yield f"withheld: {d.withheld}"
    if any(spread is not None for spread in d.spread):
        spreads = ("unknown" if s is None else f"{s:.3f}" for s in d.spread)
        yield f"between repeats: {' and '.join(spreads)}"


command = make_command(
    Options,
    run,
    "Compare models on the same items: paired differences, with intervals, over all benchmarks.",
)
