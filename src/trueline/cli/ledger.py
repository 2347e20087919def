"""`trueline ledger`: what was spent on what; its contents for other tools; taking some out."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from trueline.cli.ending import report
from trueline.cli.groups import LazyGroup
from trueline.cli.options import make_command
from trueline.files.errors import InputError
from trueline.ledger import export as exporting
from trueline.ledger import prune as pruning
from trueline.ledger.prune import Pruned
from trueline.ledger.summary import Spend, summary
from trueline.runs.options import ARGUMENT
from trueline.runs.sync import run_sync

AGES = {"h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, kw_only=True)
class LedgerFile:
    """Which ledger."""

    ledger: Annotated[Path, Meta(description="Ledger file.")] = Path(".trueline/ledger.sqlite")
    json: Annotated[bool, Meta(description="Print the report as JSON.")] = False


def show(options: LedgerFile) -> None:
    spends = summary(options.ledger)
    report(spends, format_spends(spends), options.json)


@dataclass(frozen=True, kw_only=True)
class ExportOptions(LedgerFile):
    """Options of `trueline ledger export`."""

    out: Annotated[
        Path, Meta(description="New file: .jsonl, .jsonl.gz or .parquet.", extra=ARGUMENT)
    ]
    what: Annotated[
        Literal["answers", "attempts"],
        Meta(description="Answers that were kept, or requests that were sent."),
    ] = "answers"


def export(options: ExportOptions) -> None:
    count = exporting.export(options.ledger, options.out, options.what)
    line = f"{count:,} {options.what} in {options.out}"
    report({"what": options.what, "rows": count, "out": options.out}, [line], options.json)


@dataclass(frozen=True, kw_only=True)
class PruneOptions(LedgerFile):
    """Options of `trueline ledger prune`."""

    run: Annotated[
        str | None, Meta(description="Only of this run, as the ledger names it (default: all).")
    ] = None
    model: Annotated[
        str | None, Meta(description="Only of the model of this identity (default: all).")
    ] = None
    older_than: Annotated[
        str | None, Meta(description="Only what is older than 12h, 30d or 8w (default: any age).")
    ] = None
    attempts: Annotated[
        bool,
        Meta(description="Also delete the spending records of runs with no answers left."),
    ] = False
    dry_run: Annotated[bool, Meta(description="Print what would be removed; remove nothing.")] = (
        False
    )


def prune(options: PruneOptions) -> None:
    before = None if options.older_than is None else time.time() - parse_age(options.older_than)
    conditions = pruning.PruneFilter(run=options.run, model=options.model, before=before)
    if options.dry_run:
        pruned = pruning.preview_prune(options.ledger, conditions, attempts=options.attempts)
    else:
        pruned = run_sync(pruning.prune(options.ledger, conditions, attempts=options.attempts))
    report(pruned, format_pruned(pruned, options.dry_run), options.json)


def parse_age(text: str) -> float:
    """`--older-than` in seconds."""
    match = re.fullmatch(r"(\d{1,6})([hdw])", text)
    if match is None:
        raise InputError(f"--older-than {text}: write hours, days or weeks, as in 12h, 30d or 8w")
    return float(match[1]) * AGES[match[2]]


def format_spends(spends: Sequence[Spend]) -> list[str]:
    """What was spent, by run and model, in lines."""
    lines = []
    for run, models in groupby(spends, key=lambda spend: spend.run):
        lines.append(run)
        for spend in models:
            lines += [f"  {spend.model}", f"    {format_spend(spend)}"]
    return lines


def format_spend(spend: Spend) -> str:
    """One run's spending on one model, in a line; zeros are left out."""
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


def format_pruned(pruned: Pruned, dry_run: bool) -> list[str]:
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
        lines.append("requesting them again will cost again; their cost stays booked")
    lines += [f"spending {verb}, its caps count from zero: {run}" for run in pruned.runs]
    if not dry_run:
        lines.append(f"the file is {pruned.freed / 1e6:,.1f} MB smaller")
    return lines


def _cost(tokens: float, money: float) -> str:
    paid = f" and {money:,.4f} money" if money else ""
    return f", had cost about {tokens:,.0f} tokens{paid}" if tokens or money else ""


_COMMANDS = {
    "show": lambda: make_command(
        LedgerFile,
        show,
        "Show what was spent, by run and model: calls, hits, failures, tokens, money, seconds.",
    ),
    "export": lambda: make_command(
        ExportOptions,
        export,
        "Write every answer (or every attempt) with its run, model and time to a file.",
    ),
    "prune": lambda: make_command(
        PruneOptions,
        prune,
        """Delete the answers that meet every condition; requesting them again will cost again.

        Their cost stays booked, so that caps hold over it.  With --attempts the spending records
        of a run go too if all of it meets the conditions; a run that is continued then counts from
        zero.""",
    ),
}
command = LazyGroup(
    makers=lambda: _COMMANDS, help="Show what model calls cost; export or prune their answers."
)
