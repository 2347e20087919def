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
    for one in outcome.questions:
        yield from ("", *_question(one))
    if (made := outcome.consensus) is not None:
        yield from ("", f"{made.by.name}, in {made.out}: {made.run.status}")
        for name, counts in made.counts.items():
            yield f"  {name}: " + ", ".join(f"{what} {n:,}" for what, n in counts.items())
        if made.run.rejects:
            yield f"  {made.run.rejects:,} Examples were rejected: the folder says why"
    for path in outcome.cards:
        yield f"agreement card in {path}"


def _question(one: QuestionReport) -> Iterator[str]:
    yield f"{one.question} ({one.kind}; α is Krippendorff's, {one.metric})"
    if one.wordings:
        yield "  asked in different words:"
        for hash, who in one.wordings.items():
            yield f"    {hash[:8]} of {', '.join(who)}"
    for covered in one.coverage:
        yield from _covered(covered)
    for agreement in one.agreements:
        yield from _agreement(agreement, one)


def _covered(one: Coverage) -> Iterator[str]:
    if one.answered == one.asked:
        return
    yield f"  {one.labeller} answered {one.answered:,} of {one.asked:,} ({_share(one)})"
    for value, (low, high) in one.shares.items():
        yield f"    {value}: {low:.1%} to {high:.1%}, by what the unscored could be"
    for why, count in one.unscored.items():
        yield f"    unscored: {count:,} × {why}"


def _share(one: Coverage) -> str:
    return f"{one.answered / one.asked:.1%}"


def _agreement(one: Agreement, question: QuestionReport) -> Iterator[str]:
    yield f"  {_who(one)}: {_figures(one)}"
    if one.implied and not one.joint:
        parents = " and ".join(question.parents)
        yield (
            f"    {one.implied:,} answers follow from {parents}, and differ where that does"
            + (f"; where both were asked: α {_alpha(one.alpha_asked)}" if one.alpha_asked else "")
        )
    for name, calibration in one.calibration.items():
        yield (
            f"    probabilities of {name}: off by {calibration.error:.3f}, Brier "
            f"{calibration.brier:.3f} ({calibration.items:,} answers)"
        )
    if one.confusion is not None and len(one.second) == 1:
        yield from (f"    {line}" for line in _table(one.confusion, one))
    if len(one.second) > 1 or one.joint or not question.summed:
        for name, part in one.groups.items():
            yield f"    {name}: {_figures(part)}"


def _who(one: Agreement) -> str:
    if one.joint:
        return f"all of {', '.join(one.first)}"
    mean = ", on average" if len(one.second) > 1 else ""
    return f"{', '.join(one.first)} and {', '.join(one.second)}{mean}"


def _figures(one: Agreement) -> str:
    items = f"{one.items:,} items"
    if one.withheld:
        bounds = ""
        if one.least is not None and one.most is not None:
            bounds = f"; raw agreement is between {one.least:.1%} and {one.most:.1%}"
        return f"no figure, {one.scored:,} of {one.asked:,} answered both times, {items}{bounds}"
    parts = [f"α {_alpha(one.alpha)}"] if one.alpha else [f"{items}, too few for α"]
    if one.raw_agreement is not None:
        parts.append(f"agreed {one.raw_agreement:.1%}")
    if one.kappa is not None:
        parts.append(f"κ {one.kappa:.3f}")
    if one.scored < one.asked and one.least is not None and one.most is not None:
        parts.append(f"raw {one.least:.1%} to {one.most:.1%} over the unscored")
    if one.alpha:
        parts.append(f"{items} in {one.alpha.units:,} clusters")
    return ", ".join(parts)


def _alpha(estimate: object) -> str:
    return format_interval(estimate) if isinstance(estimate, Interval) else "undefined"


def _table(table: Confusion, one: Agreement) -> Iterator[str]:
    first, second = one.first[0], one.second[0]
    if table.by_option:
        head = ["both", f"only {first}", f"only {second}"]
        yield from _grid("option", head, table.values, table.counts)
    elif len(table.values) <= WIDEST:
        corner = f"{first} ↓ {second} →"
        yield from _grid(corner, table.values, table.values, table.counts)
    else:
        apart = [
            (count, a, b)
            for a, row in zip(table.values, table.counts, strict=True)
            for b, count in zip(table.values, row, strict=True)
            if count and a != b
        ]
        for count, a, b in sorted(apart, reverse=True)[:WIDEST]:
            yield f"{count:,} × {a} by {first}, {b} by {second}"


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
