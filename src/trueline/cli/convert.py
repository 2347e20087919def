"""`trueline convert`: data of other tools into ours and back."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from trueline.cli.given import limit
from trueline.cli.options import command as options_command
from trueline.cli.show import safe
from trueline.formats.registry import find_formats
from trueline.policy.load import load as load_policy
from trueline.recipes.convert import Conversion, Options, convert


def print_formats(is_asked: bool) -> None:
    """Print every format with what it is, and end there."""
    if not is_asked:
        return
    for name, format in find_formats().items():
        print(f"{name:<18} {format.about}")
        if format.licence is not None:
            print(f"{'':18} ({format.licence})")
    raise typer.Exit


def run(options: Options) -> None:
    """Convert, and print what came of it."""
    limit(options.max_rejects, 0)
    if note := _licence(options):
        print(note, file=sys.stderr)

    def print_losses(losses: dict[str, int]) -> None:
        print(f"{options.to} cannot hold, and {options.out} will lack:", file=sys.stderr)
        for part, count in losses.items():
            print(f"  {safe(part)}: {count:,} Examples", file=sys.stderr)

    report = convert(options, load_policy(options.policy), None if options.json else print_losses)
    if options.json:
        print(msgspec.json.encode(report).decode())
    else:
        print("\n".join([safe(line) for line in describe(report)]))
    is_short = report.unfinished or report.status != "complete"
    if is_short or report.rejected > limit(options.max_rejects, report.examples + report.rejected):
        raise typer.Exit(1)


def _licence(options: Options) -> str | None:
    """What is known of the licence of data in this format, if the user named none."""
    if options.from_ is None or options.license is not None:
        return None
    format = find_formats().get(options.from_)
    if format is None or format.licence is None:
        return None
    return f"{options.from_}: {format.licence}; the Examples name none: --license sets it"


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


_convert = options_command(
    Options,
    run,
    "Convert data of other tools into ours, and back; what cannot be held is said first.",
)


def command(*, list: bool = False, **options: Any) -> None:
    _convert(**options)


_list = inspect.Parameter(
    "list",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option("--list", help="List the formats.", is_eager=True, callback=print_formats),
    ],
)
command.__doc__ = _convert.__doc__
command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [*inspect.signature(_convert).parameters.values(), _list]
)
