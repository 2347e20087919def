"""`trueline convert`: data of other tools into ours and back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from trueline.cli.given import limit
from trueline.cli.show import safe
from trueline.files.errors import InputError
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


def command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A data set, or a file.")],
    out: Annotated[Path, typer.Argument(help="A new folder, or a file (.jsonl; others by --to).")],
    reads: Annotated[
        str | None, typer.Option("--from", help="The format of IN; see --list.")
    ] = None,
    writes: Annotated[
        str | None, typer.Option("--to", help="The format of OUT; see --list.")
    ] = None,
    shown: Annotated[
        bool,
        typer.Option(
            "--list", help="The formats, and nothing else.", is_eager=True, callback=print_formats
        ),
    ] = False,
    map: Annotated[
        list[str] | None,
        typer.Option(help="PART=COLUMN for the format columns; may be repeated."),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="key:value for every Example.")] = None,
    license: Annotated[
        str | None, typer.Option(help="The licence of Examples that name none.")
    ] = None,
    decontaminate: Annotated[
        list[Path] | None,
        typer.Option(help="An evaluation file whose prompts are turned away; may be repeated."),
    ] = None,
    decontaminate_field: Annotated[
        str | None, typer.Option(help="The column of its prompts.")
    ] = None,
    keep_boilerplate: Annotated[
        int | None, typer.Option(help="Turn away further uses of one chosen text.")
    ] = None,
    preference: Annotated[
        str | None,
        typer.Option(help="The preference question that decides, as safer or more_helpful."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="A policy of your own, for data that was labelled by it."),
    ] = None,
    max_rejects: Annotated[
        str, typer.Option(help="Rejects, as a number or a share, above which the exit is 1.")
    ] = "0",
    json: Annotated[bool, typer.Option("--json", help="The outcome as JSON.")] = False,
) -> None:
    """Convert data of other tools into ours, and back; what cannot be held is said first."""
    limit(max_rejects, 0)
    for one in tag or ():
        if not all(one.partition(":")):
            raise InputError(f"--tag {one}: write it key:value, as in --tag lang:en")
    options = Options(
        source=source,
        out=out,
        from_=reads,
        to=writes,
        map=tuple(map or ()),
        tag=tuple(tag or ()),
        license=license,
        decontaminate=tuple(decontaminate or ()),
        decontaminate_field=decontaminate_field,
        keep_boilerplate=keep_boilerplate,
        preference=preference,
        policy=policy,
        max_rejects=max_rejects,
        json=json,
    )
    if note := _licence(options):
        print(note, file=sys.stderr)

    def print_losses(losses: dict[str, int]) -> None:
        print(f"{options.to} cannot hold, and {options.out} will lack:", file=sys.stderr)
        for part, count in losses.items():
            print(f"  {safe(part)}: {count:,} Examples", file=sys.stderr)

    report = convert(options, load_policy(options.policy), None if json else print_losses)
    if json:
        print(msgspec.json.encode(report).decode())
    else:
        print("\n".join([safe(line) for line in describe(report)]))
    is_short = report.unfinished or report.status != "complete"
    if is_short or report.rejected > limit(max_rejects, report.examples + report.rejected):
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
