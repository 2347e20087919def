"""`trueline compare`: what changed between a base model and those made of it, and how sure that
is."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trueline.cli.ending import show_json
from trueline.cli.show import safe

if TYPE_CHECKING:
    from trueline.evaluate.results import Comparison, Difference


def command(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="The base model's results.")],
    treated: Annotated[
        list[Path], typer.Argument(metavar="TREATED", help="Results to compare with them.")
    ],
    report: Annotated[Path | None, typer.Option(help="A web page to write.")] = None,
    level: Annotated[
        float, typer.Option(help="The false discovery rate at which a change is significant.")
    ] = 0.05,
    json: Annotated[bool, typer.Option("--json", help="The comparisons as JSON.")] = False,
) -> None:
    """Compare models on the same items: paired differences, with intervals, over all benchmarks."""
    from trueline.evaluate.compare.compare import compare, read
    from trueline.evaluate.compare.headline import sound

    first = read(base)
    found = [compare(first, one, level) for one in treated]
    if json:
        show_json(found)
    else:
        lines = (line for one in found for line in told(one))
        print("\n".join(safe(line) for line in lines).rstrip("\n"))
    if report is not None:
        from trueline.report import page

        words = ["trueline", "compare", str(base), *map(str, treated), "--report", str(report)]
        page.write(found, report, command=shlex.join([*words, "--level", str(level)]))
        print(f"page: {safe(str(report))}", file=sys.stderr if json else sys.stdout)
    if not all(map(sound, found)):
        raise typer.Exit(1)


def told(found: Comparison) -> Iterator[str]:
    """The comparison in lines for a person."""
    from trueline.report.pairs import titles

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
    from trueline.report.pairs import verdict
    from trueline.report.text import gain, number, part, probability

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
    from trueline.report.text import is_share, span

    if one.withheld is not None or min(share or 0.0 for share in one.coverage) < 1:
        could = span(one.least, one.most, one.metric, "+")
        unit = " points" if is_share(one.metric) else ""
        yield f"whatever the unscored are, the gain is {could}{unit}"
    if one.withheld is not None:
        yield f"withheld: {one.withheld}"
    if any(spread is not None for spread in one.spread):
        told = ("unknown" if s is None else f"{s:.3f}" for s in one.spread)
        yield f"between repeats: {' and '.join(told)}"
