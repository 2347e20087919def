"""`trueline convert`: data of other tools into ours and back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from trueline.cli.given import limit, mapping
from trueline.cli.show import safe
from trueline.files.errors import InputError
from trueline.recipes.convert import Conversion, Outcome, convert


def listed(asked: bool) -> None:
    """Print every format with what it is, and end there."""
    if not asked:
        return
    from trueline import formats

    for name, format in sorted(formats.every().items()):
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
            "--list", help="The formats, and nothing else.", is_eager=True, callback=listed
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
    prefer: Annotated[
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
    if map and "columns" not in (reads, writes):
        raise InputError("--map belongs to --from columns or --to columns")
    asked = Conversion(
        source=source,
        out=out,
        reads=reads,
        writes=writes,
        mapping=mapping(map or []),
        tags=tuple(tag or ()),
        license=license,
        decontaminate=tuple(decontaminate or ()),
        decontaminate_field=decontaminate_field,
        keep_boilerplate=keep_boilerplate,
        prefer=prefer,
        policy=policy,
    )
    if note := _licence(asked):
        print(note, file=sys.stderr)

    def losing(format: str, loses: dict[str, int]) -> None:
        print(f"{format} cannot hold, and {out} will lack:", file=sys.stderr)
        for part, count in loses.items():
            print(f"  {safe(part)}: {count:,} Examples", file=sys.stderr)

    outcome = convert(asked, json, None if json else losing)
    if json:
        print(msgspec.json.encode(outcome).decode())
    else:
        print("\n".join([safe(line) for line in told(outcome)]))
    rows = outcome.examples + outcome.rejected
    short = outcome.unfinished or outcome.status != "complete"
    if short or outcome.rejected > limit(max_rejects, rows):
        raise typer.Exit(1)


def _licence(asked: Conversion) -> str | None:
    """What is known of the licence of data in this format, where the user named none."""
    from trueline import formats

    format = formats.every().get(asked.reads or "")
    if format is None or format.licence is None or asked.license is not None:
        return None
    return f"{format.name}: {format.licence}; the Examples name none: --license sets it"


def told(outcome: Outcome) -> list[str]:
    """The outcome in lines for a person."""
    rows = outcome.examples + outcome.rejected
    lines = [f"{rows:,} rows: {outcome.examples:,} Examples, {outcome.rejected:,} rejects"]
    reasons = list(outcome.rejects.items())
    lines += [f"  rejected: {count:,} × {reason}" for reason, count in reasons[:20]]
    if len(reasons) > 20:
        lines.append(f"  and {len(reasons) - 20:,} further reasons")
    if outcome.rows not in (None, outcome.examples):
        lines.append(f"  {outcome.rows:,} rows written: one Example may make several")
    lines += _counts("columns that the format does not read", outcome.unread)
    lines += _counts("lacking in the output", outcome.loses)
    most, total = outcome.boilerplate
    if most > 1:
        lines.append(
            f"  most frequent chosen text: {most:,} of {total:,} uses ({most / total:.1%})"
        )
    if outcome.unfinished:
        lines.append(f"  {outcome.source} is unfinished: this is only what it has so far")
    if outcome.status != "complete":
        lines.append(f"  {outcome.status}: the same command continues it")
    return [*lines, f"in {outcome.out}"]


def _counts(title: str, counts: Mapping[str, int]) -> list[str]:
    inside = ", ".join(f"{name} ({count:,})" for name, count in counts.items())
    return [f"  {title}: {inside}"] if inside else []
