"""`trueline ledger`: what was spent on what; its contents for other tools; taking some out."""

from __future__ import annotations

import re
import time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trueline.cli.ending import show_json
from trueline.cli.show import safe
from trueline.files.errors import InputError

if TYPE_CHECKING:
    from trueline.ledger.prune import Pruned
    from trueline.ledger.summary import Spend

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
DEFAULT = Path(".trueline/ledger.sqlite")
AGES = {"h": 3600, "d": 86_400, "w": 604_800}
Ledger = Annotated[
    Path | None, typer.Option("--ledger", help=f"The ledger's file.  [default: {DEFAULT}]")
]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@app.callback()
def show(context: typer.Context, path: Ledger = None, as_json: Json = False) -> None:
    """Show what was spent, by run and model: calls, hits, failures, tokens, money, seconds."""
    if context.invoked_subcommand is not None:
        if path is not None or as_json:
            verb = context.invoked_subcommand
            raise InputError(f"give options behind the verb: trueline ledger {verb} --ledger …")
        return
    from trueline.ledger.summary import summary

    spends = summary(path or DEFAULT)
    if as_json:
        show_json(spends)
        return
    for run, models in groupby(spends, key=lambda spend: spend.run):
        print(safe(run))
        for spend in models:
            print(safe(f"  {spend.model}"))
            print(safe(f"    {told(spend)}"))


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="A new file: .jsonl, .jsonl.gz or .parquet.")],
    attempts: Annotated[
        bool, typer.Option("--attempts/--answers", help="Requests sent, or answers kept.")
    ] = False,
    path: Ledger = None,
) -> None:
    """Write every answer (or every attempt) with its run, model and time to a file."""
    from trueline.ledger import export

    what: export.What = "attempts" if attempts else "answers"
    count = export.export(path or DEFAULT, out, what)
    print(safe(f"{count:,} {what} in {out}"))


@app.command("prune")
def prune(
    run: Annotated[str | None, typer.Option(help="Of this run, as the ledger names it.")] = None,
    model: Annotated[str | None, typer.Option(help="Of the model of this identity.")] = None,
    older_than: Annotated[str | None, typer.Option(help="As 12h, 30d or 8w.")] = None,
    attempts: Annotated[
        bool,
        typer.Option("--attempts", help="Forget the spending of runs of which nothing is left."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
    path: Ledger = None,
    as_json: Json = False,
) -> None:
    """Take out the answers that meet every condition; asked for again, they are paid for again.

    What was spent stays booked, so that caps hold over it.  With --attempts the spending of a run
    goes too where all of it meets the conditions; a run that is continued then counts from
    nought.
    """
    from trueline.ledger import prune
    from trueline.runs.sync import wait

    before = None if older_than is None else time.time() - age(older_than)
    choice = prune.Choice(run=run, model=model, before=before)
    if dry_run:
        pruned = prune.foreseen(path or DEFAULT, choice, attempts=attempts)
    else:
        pruned = wait(prune.prune(path or DEFAULT, choice, attempts=attempts))
    if as_json:
        show_json(pruned)
    else:
        print("\n".join(safe(line) for line in gone(pruned, dry_run)))


def age(given: str) -> float:
    """`--older-than` in seconds."""
    found = re.fullmatch(r"(\d{1,6})([hdw])", given)
    if found is None:
        raise InputError(f"--older-than {given}: write hours, days or weeks, as in 12h, 30d or 8w")
    return float(found[1]) * AGES[found[2]]


def told(spend: Spend) -> str:
    """One run's spending on one model, in a line; what is nought is left out."""
    tokens = f"{spend.prompt_tokens:,} + {spend.completion_tokens:,} tokens"
    failed = ", ".join(f"{n:,} × {kind}" for kind, n in sorted(spend.failures.items()))
    parts = {
        f"{spend.calls:,} calls answered ({spend.answers:,} answers)": spend.calls,
        f"{spend.hits:,} answers from the ledger": spend.hits,
        f"{spend.attempts:,} attempts, failed: {failed}": failed,
        tokens: spend.attempts,
        f"{spend.money:,.4f} money": spend.money,
        f"{spend.seconds:,.1f} s waiting": spend.attempts,
    }
    return " · ".join(part for part, worth in parts.items() if worth)


def gone(pruned: Pruned, dry_run: bool) -> list[str]:
    """What was pruned, or would be, and what that means for later runs, in lines."""
    verb = "would be removed" if dry_run else "removed"
    lines = []
    for run, models in groupby(pruned.answers, key=lambda part: part.run):
        lines.append(run or "(before runs were noted)")
        for part in models:
            lines.append(f"  {part.model}")
            lines.append(f"    {part.answers:,} answers {verb}{_cost(part.tokens, part.money)}")
    answers, size = (sum(getattr(p, name) for p in pruned.answers) for name in ("answers", "bytes"))
    tokens, money = (sum(getattr(p, name) for p in pruned.answers) for name in ("tokens", "money"))
    lines.append(f"{answers:,} answers ({size / 1e6:,.1f} MB) {verb}{_cost(tokens, money)}")
    if answers:
        lines.append("who asks for them again pays for them again; their cost stays booked")
    lines += [f"spending {verb}, its caps count from nought: {run}" for run in pruned.runs]
    if not dry_run:
        lines.append(f"the file is {pruned.freed / 1e6:,.1f} MB smaller")
    return lines


def _cost(tokens: float, money: float) -> str:
    paid = f" and {money:,.4f} money" if money else ""
    return f", had cost about {tokens:,.0f} tokens{paid}" if tokens or money else ""
