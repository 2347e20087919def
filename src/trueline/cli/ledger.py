"""`trueline ledger`: what was spent on what."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

if TYPE_CHECKING:
    from trueline.ledger.summary import Spend


def command(
    path: Annotated[Path, typer.Option("--ledger", help="The ledger's file.")] = Path(
        ".trueline/ledger.sqlite"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Show what was spent, by run and model: calls, hits, failures, tokens, money, seconds."""
    from trueline.ledger.summary import summary

    spends = summary(path)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(spends), indent=2).decode())
        return
    for run, models in groupby(spends, key=lambda spend: spend.run):
        print(run)
        for spend in models:
            print(f"  {spend.model}")
            print(f"    {told(spend)}")


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
