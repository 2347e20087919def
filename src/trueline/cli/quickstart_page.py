"""What the quickstart says at its end, on the terminal and in `summary.md`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from trueline.files.atomic import atomic_write
from trueline.files.text import escape_terminal
from trueline.policy.values import preferred_responses
from trueline.records.store import dataset
from trueline.records.types import Example
from trueline.runs.record import RECORD, RunRecord
from trueline.train.card import Card

if TYPE_CHECKING:
    from trueline.cli.quickstart import Pair
    from trueline.evaluate.results import Comparison

NAMES = {
    "harmful": "texts that comply with harmful requests",
    "harmless": "helpful answers to harmless look-alikes",
}
UNMEASURED = (
    "Not measurable at this size: whether answers would do harm (nano's are cartoons, and outside "
    "its small English it writes near-nonsense, which is harmless already), jailbreaks, knowledge "
    "and honesty. Refusal is: of harmful requests, against that of their harmless look-alikes."
)


def page(
    out: Path,
    card: Card,
    agreed: list[str],
    comparison: Comparison,
    answered: list[Pair],
    seconds: float,
) -> None:
    """Print the summary and keep it."""
    console = Console(record=True, width=min(Console().width, 110))
    console.print()
    console.print(Panel(_what(out, card), title="trueline quickstart", title_align="left"))
    for name in NAMES:
        console.print(_example(out / name, name))
    console.print(_agreed(agreed))
    console.print(_answers(answered))
    console.print(_changed(comparison))
    console.print(_files(out, seconds))
    with atomic_write(out / "summary.md") as file:
        text = console.export_text()
        file.write(f"# trueline quickstart\n\n```\n{text}\n```\n".encode())


def shown(text: str) -> str:
    """A text that neither the terminal nor rich obeys."""
    return escape(escape_terminal(text))


def _what(out: Path, card: Card) -> str:
    lines = []
    for name, what in NAMES.items():
        record = msgspec.json.decode((out / name / RECORD).read_bytes(), type=RunRecord)
        lost = Counter[str]()
        for stage in record.stages:
            lost[stage.name] += stage.seen - stage.passed
        total = record.rows + record.rejects
        turned = ", ".join(f"{k} {v}" for k, v in lost.items() if v)
        lines.append(f"[b]{total}[/b] {what} → [b]{record.rows}[/b] preference pairs")
        lines.append(f"     [dim]turned away, with their reasons: {escape(turned)}[/dim]")
    lines.append("")
    lines.append(escape(trained(card)))
    return "\n".join(lines)


def trained(card: Card) -> str:
    """One line on the training from its log."""
    log = [entry for entry in card.log if "rewards/accuracies" in entry]
    first, last = log[0], log[-1]
    # The first step's accuracy is not shown: against itself the model has no margin, only noise.
    gained = f"{last['rewards/accuracies']:.0%}"
    return (
        f"DPO on them: loss {first['loss']:.2f} → {last['loss']:.2f}; in the last batches the "
        f"better answer has gained on the worse one in {gained} of the pairs."
    )


def _example(path: Path, name: str) -> Table:
    """The first pair of a data set, from text to preference."""
    example: Example = next(dataset.read(path))
    found = preferred_responses(example)
    assert found is not None, "a finished build holds pairs"
    text = example.responses[0].text
    table = Table(show_header=False, title=f"One of the {NAMES[name]}", title_justify="left")
    table.add_row("the text", shown(text))
    table.add_row("the instruction it could answer", shown(example.prompt[-1].content))
    chosen, rejected = (("the text" if r.text == text else shown(r.text)) for r in found)
    table.add_row("[green]preferred[/green]", chosen)
    table.add_row("[red]over[/red]", rejected)
    return table


def _agreed(lines: list[str]) -> Panel:
    """What two labellers say of the same pairs."""
    told = "\n".join(shown(line) for line in lines)
    note = "[dim]nano was never taught this question, and the figures say so.[/dim]"
    title = "Who refused, by the refusal classifier and by nano as a judge"
    return Panel(f"{told}\n\n{note}", title=title, title_align="left")


def _answers(answered: list[Pair]) -> Table:
    title = "Held-out requests, answered without any system message"
    table = Table("", "request", "before", "after", title=title, title_justify="left", leading=1)
    for one in answered:
        harmful = one.benchmark == "small-harmful"
        kind = "[red]harmful[/red]" if harmful else "[green]harmless[/green]"
        table.add_row(kind, shown(one.request), shown(one.before), shown(one.after))
    return table


def _percent(value: float | None, sign: str = "") -> str:
    return "unknown" if value is None else f"{value:{sign}.1%}"


def _changed(found: Comparison) -> Panel:
    """The measures before and after, and the headline."""
    table = Table("", "items", "before", "after", "gain (95 %)", box=None)
    for one in found.differences:
        gain, metric = one.gain, one.metric
        counts = "" if metric.accepted == (True,) else f" = {', '.join(map(str, metric.accepted))}"
        limits = "{:+.1%} to {:+.1%}".format(*gain.limits) if gain.limits else gain.note
        table.add_row(
            f"{metric.benchmark}: {metric.question}{counts}, {metric.better} is better",
            f"{one.paired}",
            _percent(one.base.estimate),
            _percent(one.treated.estimate),
            f"{_percent(gain.estimate, '+')} ({limits})",
        )
    told = Group(table, "", f"[b]{shown(found.headline)}[/b]", f"[dim]{UNMEASURED}[/dim]")
    return Panel(told, title="What changed, on held-out requests", title_align="left")


def _files(folder: Path, seconds: float) -> str:
    out = escape(str(folder))
    return (
        f"{seconds // 60:.0f} min {seconds % 60:.0f} s. Everything is in [b]{out}/[/b]: the pairs "
        "with a data card each ([b]harmful/CARD.md[/b], [b]harmless/CARD.md[/b]), the trained "
        "[b]model/[/b], the pairs for TRL ([b]pairs.jsonl[/b]), the answers and labels "
        "([b]before/[/b], [b]after/[/b]) and this [b]summary.md[/b].\n"
        f"[b]The page that shows what changed: {out}/report.html[/b]\n\n"
        f"Next:  trueline show {out}/harmful --reveal\n"
        f"       trueline ledger show --ledger {out}/ledger.sqlite\n"
        f"       trueline compare {out}/before {out}/after\n"
        "       trueline evaluate --list\n\n"
        "[dim]nano is a tiny model in a small English of its own: this shows that the program "
        "works, not how well a method does.[/dim]"
    )
