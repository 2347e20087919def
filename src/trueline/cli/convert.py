"""`trueline convert`: data of other tools into ours and back."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import msgspec
import typer

from trueline.cli.options import make_command
from trueline.files.errors import InputError
from trueline.files.text import escape_terminal
from trueline.formats.registry import find_definition, find_formats
from trueline.policy.load import load as load_policy
from trueline.recipes.conversion import Conversion, Options
from trueline.recipes.convert import convert


def print_formats() -> None:
    """Print every format with what it is."""
    for name, format in find_formats().items():
        print(f"{name:<18} {format.about}")
        if format.licence is not None:
            print(f"{'':18} ({format.licence})")


def run(options: Options) -> None:
    """Convert, and print what came of it."""
    count_limit(options.max_rejects, 0)
    if note := _licence(options):
        print(note, file=sys.stderr)

    def print_losses(losses: dict[str, int]) -> None:
        print(f"{options.to} cannot hold, and {options.out} will lack:", file=sys.stderr)
        for part, count in losses.items():
            print(f"  {escape_terminal(part)}: {count:,} Examples", file=sys.stderr)

    report = convert(options, load_policy(options.policy), None if options.json else print_losses)
    if options.json:
        print(msgspec.json.encode(report).decode())
    else:
        print("\n".join([escape_terminal(line) for line in describe(report)]))
    is_short = report.unfinished or report.status != "complete"
    if is_short or report.rejected > count_limit(
        options.max_rejects, report.examples + report.rejected
    ):
        raise typer.Exit(1)


def count_limit(given: str, rows: int) -> float:
    """`--max-rejects` in rows: a number of them, or a share ("5%", "0.05") of all."""
    try:
        if given.endswith("%"):
            share = float(given[:-1]) / 100
        else:
            share = float(given) if "." in given else int(given)
        if not 0 <= share < float("inf"):
            raise ValueError
    except ValueError:
        raise InputError(
            f"--max-rejects {given}: write a number, or a share as 5% or 0.05"
        ) from None
    return share if isinstance(share, int) else share * rows


def _licence(options: Options) -> str | None:
    """What is known of the licence of data in this format, if the user named none."""
    if options.from_ is None or options.license is not None:
        return None
    licence = find_definition(options.from_).licence
    if licence is None:
        return None
    return f"{options.from_}: {licence}; the Examples name none: --license sets it"


def describe(report: Conversion) -> list[str]:
    """What came of it, in lines for a person."""
    rows = report.examples + report.rejected
    lines = [f"{rows:,} rows: {report.examples:,} Examples, {report.rejected:,} rejects"]
    reasons = list(report.rejects.items())
    lines += [f"  rejected: {count:,} × {reason}" for reason, count in reasons[:20]]
    if len(reasons) > 20:
        lines.append(f"  and {len(reasons) - 20:,} further reasons")
    if report.rows not in (None, report.examples):
        lines.append(f"  {report.rows:,} rows written: one Example may make several")
    lines += _counts("columns that the format does not read", report.unread)
    lines += _counts("lacking in the output", report.losses)
    most, total = report.boilerplate
    if most > 1:
        lines.append(
            f"  most frequent chosen text: {most:,} of {total:,} uses ({most / total:.1%})"
        )
    if report.unfinished:
        lines.append(f"  {report.source} is unfinished: this is only what it has so far")
    if report.status != "complete":
        lines.append(f"  {report.status}: the same command continues it")
    return [*lines, f"in {report.out}"]


def _counts(title: str, counts: Mapping[str, int]) -> list[str]:
    inside = ", ".join(f"{name} ({count:,})" for name, count in counts.items())
    return [f"  {title}: {inside}"] if inside else []


command = make_command(
    Options,
    run,
    "Convert data of other tools into ours, and back; what cannot be held is said first.",
    listing=print_formats,
)
