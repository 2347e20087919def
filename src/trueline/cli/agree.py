"""`trueline agree`: how far labellers agree."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from trueline.agreement.agree import Options, Outcome, agree
from trueline.agreement.agreement import Agreement, Confusion, Coverage, QuestionReport
from trueline.agreement.cards import format_interval
from trueline.cli.ending import report
from trueline.cli.options import make_command
from trueline.statistics.intervals import Interval

WIDEST = 10
"""Values of a question whose table is printed; of more, the commonest differences are."""


def run(options: Options) -> None:
    outcome = agree(options)
    report(outcome, format_outcome(outcome), options.json)
    if not outcome.sound:
        raise typer.Exit(1)


def format_outcome(outcome: Outcome) -> Iterator[str]:
    """The outcome in lines for a person."""
    labellers = ", ".join(f"{name} ({n:,})" for name, n in outcome.labellers.items())
    yield f"{outcome.data}: {outcome.examples:,} Examples; labels by {labellers}"
    if outcome.unreadable:
        yield f"  {outcome.unreadable:,} rows of it are no Examples and were left out"
    for path in outcome.unfinished:
        yield f"  {path} is unfinished: this is only what it has so far"
    for question in outcome.questions:
        yield from ("", *_question(question))
    if (consensus := outcome.consensus) is not None:
        yield from ("", f"{consensus.by.name}, in {consensus.out}: {consensus.run.status}")
        for name, counts in consensus.counts.items():
            yield f"  {name}: " + ", ".join(f"{what} {n:,}" for what, n in counts.items())
        if consensus.run.rejects:
            yield f"  {consensus.run.rejects:,} Examples were rejected: the folder says why"
    for path in outcome.cards:
        yield f"agreement card in {path}"


def _question(report: QuestionReport) -> Iterator[str]:
    yield f"{report.question} ({report.kind}; α is Krippendorff's, {report.metric})"
    if report.wordings:
        yield "  asked in different words:"
        for hash, who in report.wordings.items():
            yield f"    {hash[:8]} of {', '.join(who)}"
    for coverage in report.coverage:
        yield from _coverage(coverage)
    for agreement in report.agreements:
        yield from _agreement(agreement, report)


def _coverage(c: Coverage) -> Iterator[str]:
    if c.answered == c.asked:
        return
    share = f"{c.answered / c.asked:.1%}"
    yield f"  {c.labeller} answered {c.answered:,} of {c.asked:,} ({share})"
    for value, (low, high) in c.shares.items():
        yield f"    {value}: {low:.1%} to {high:.1%}, by what the unscored could be"
    for why, count in c.unscored.items():
        yield f"    unscored: {count:,} × {why}"


def _agreement(a: Agreement, question: QuestionReport) -> Iterator[str]:
    yield f"  {_who(a)}: {_figures(a)}"
    if a.implied and not a.joint:
        parents = " and ".join(question.parents)
        yield (
            f"    {a.implied:,} answers follow from {parents}, and differ where that does"
            + (f"; where both were asked: α {_alpha(a.alpha_asked)}" if a.alpha_asked else "")
        )
    for name, calibration in a.calibration.items():
        yield (
            f"    probabilities of {name}: off by {calibration.error:.3f}, Brier "
            f"{calibration.brier:.3f} ({calibration.items:,} answers)"
        )
    if a.confusion is not None and len(a.second) == 1:
        yield from (f"    {line}" for line in _table(a.confusion, a))
    if len(a.second) > 1 or a.joint or not question.summed:
        for name, part in a.groups.items():
            yield f"    {name}: {_figures(part)}"


def _who(a: Agreement) -> str:
    if a.joint:
        return f"all of {', '.join(a.first)}"
    mean = ", on average" if len(a.second) > 1 else ""
    return f"{', '.join(a.first)} and {', '.join(a.second)}{mean}"


def _figures(a: Agreement) -> str:
    items = f"{a.items:,} items"
    if a.withheld:
        bounds = ""
        if a.least is not None and a.most is not None:
            bounds = f"; raw agreement is between {a.least:.1%} and {a.most:.1%}"
        return f"no figure, {a.scored:,} of {a.asked:,} answered both times, {items}{bounds}"
    parts = [f"α {_alpha(a.alpha)}"] if a.alpha else [f"{items}, too few for α"]
    if a.raw_agreement is not None:
        parts.append(f"agreed {a.raw_agreement:.1%}")
    if a.kappa is not None:
        parts.append(f"κ {a.kappa:.3f}")
    if a.scored < a.asked and a.least is not None and a.most is not None:
        parts.append(f"raw {a.least:.1%} to {a.most:.1%} over the unscored")
    if a.alpha:
        parts.append(f"{items} in {a.alpha.units:,} clusters")
    return ", ".join(parts)


def _alpha(estimate: object) -> str:
    return format_interval(estimate) if isinstance(estimate, Interval) else "undefined"


def _table(table: Confusion, a: Agreement) -> Iterator[str]:
    first, second = a.first[0], a.second[0]
    if table.by_option:
        head = ["both", f"only {first}", f"only {second}"]
        yield from _grid("option", head, table.values, table.counts)
    elif len(table.values) <= WIDEST:
        corner = f"{first} ↓ {second} →"
        yield from _grid(corner, table.values, table.values, table.counts)
    else:
        differences = [
            (count, x, y)
            for x, row in zip(table.values, table.counts, strict=True)
            for y, count in zip(table.values, row, strict=True)
            if count and x != y
        ]
        for count, x, y in sorted(differences, reverse=True)[:WIDEST]:
            yield f"{count:,} × {x} by {first}, {y} by {second}"


def _grid(
    corner: str, columns: list[str], rows: list[str], counts: list[list[int]]
) -> Iterator[str]:
    left = max(map(len, (corner, *rows)), default=0)
    widths = [max(len(name), 6) for name in columns]
    yield "  ".join(
        [corner.ljust(left), *(n.rjust(w) for n, w in zip(columns, widths, strict=True))]
    )
    for name, row in zip(rows, counts, strict=True):
        cells = (f"{count:,}".rjust(width) for count, width in zip(row, widths, strict=True))
        yield "  ".join([name.ljust(left), *cells])


command = make_command(
    Options, run, "Measure how far labellers agree, question by question; α has a 95 % interval."
)
