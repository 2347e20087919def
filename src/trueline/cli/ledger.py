"""`trueline ledger`: what was spent on what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer


def command(
    path: Annotated[Path, typer.Option("--ledger", help="The ledger's file.")] = Path(
        ".trueline/ledger.sqlite"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Show what was spent, by run and model: calls, hits, failures, tokens, money, seconds."""
    from rich.console import Console
    from rich.table import Table

    from trueline.ledger.summary import summary

    spends = summary(path)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(spends), indent=2).decode())
        return
    columns = "calls answers hits attempts failed prompt completion money seconds".split()
    table = Table("run", "model", *columns, title=str(path), title_justify="left")
    for s in spends:
        failed = ", ".join(f"{kind} {n:,}" for kind, n in sorted(s.failures.items())) or "0"
        counts = [f"{n:,}" for n in (s.calls, s.answers, s.hits, s.attempts)]
        tokens = [f"{n:,}" for n in (s.prompt_tokens, s.completion_tokens)]
        table.add_row(
            s.run, s.model[:40], *counts, failed, *tokens, f"{s.money:,.4f}", f"{s.seconds:,.1f}"
        )
    Console(markup=False).print(table)
