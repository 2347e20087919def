"""The data card: what a data set is, computed from its shards and from nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from trueline.files.atomic import atomic_write
from trueline.policy.values import preferred_responses
from trueline.recipes.filters.boilerplate import ChosenTexts
from trueline.records.store import dataset
from trueline.records.store.summary import Summarizer, Summary
from trueline.runs.record import RunRecord

CARD = "CARD.md"


class Facts(msgspec.Struct, frozen=True):
    """A data set's summary, with the lengths of chosen and rejected texts, how many Examples are
    preference pairs, and the most frequent chosen text: its uses and their share."""

    summary: Summary
    pairs: int
    boilerplate_uses: int
    boilerplate_share: float


def read_facts(path: Path) -> Facts:
    """Read every shard once."""
    summarizer, chosen_texts = Summarizer(), ChosenTexts()
    for example in dataset.read(path):
        summarizer.add(example)
        chosen_texts.add(example)
        if pair := preferred_responses(example):
            for name, response in zip(("chosen", "rejected"), pair, strict=True):
                summarizer.add_length(name, len(response.text))
    for reject in dataset.rejects(path):
        summarizer.add(reject)
    return Facts(summarizer.finish(), chosen_texts.total, chosen_texts.most, chosen_texts.share)


def write(path: Path, record: RunRecord) -> None:
    """Write `CARD.md` into the data set folder."""
    with atomic_write(path / CARD) as file:
        file.write(render(read_facts(path), record).encode())


def render(facts: Facts, record: RunRecord) -> str:
    """The card as Markdown."""
    labellers = [f"`{given.path}`" for given in record.inputs if given.kind.endswith("labeller")]
    filtered = (
        f"Rules and the labeller {' and '.join(labellers)} filtered the prompts."
        if labellers
        else "Only rules filtered the prompts: no labeller was asked whether they suit the domain, "
        "so expect some that do not."
    )
    summary = facts.summary
    medians = ", ".join(
        f"{name} {summary.lengths[name].median:,}"
        for name in ("prompt", "chosen", "rejected")
        if name in summary.lengths
    )
    parts = [
        "# Data card",
        f"`{record.command}`, {record.status}, {record.finished}.",
        f"{summary.examples:,} Examples ({facts.pairs:,} preference pairs), "
        f"{summary.rejects:,} rejects kept with their reasons.",
        filtered,
        "## How many came through",
        _stages(record),
        "## Contents",
        f"Median characters: {medians}." if medians else "",
        f"The most frequent chosen text is used {facts.boilerplate_uses:,} times "
        f"({facts.boilerplate_share:.1%} of the pairs).",
        _table("Licence", _sort(summary.licenses)),
        _table("Source", _sort(summary.sources)),
        _table("Written by", _sort(summary.models), "responses"),
        *(_table(f"Tag {key}", _sort(values)) for key, values in sorted(summary.tags.items())),
        *_label_tables(summary),
        "## Made with",
        _table("Package", record.versions, "version"),
        _table("Setting", record.settings, "value", most=100),
        _table("Input", {f"{i.kind} {i.path}": i.hash for i in record.inputs}, "hash"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _label_tables(summary: Summary) -> Iterator[str]:
    for question, counts in sorted(summary.labels.items()):
        for labeller, answers in sorted(counts.by.items()):
            unscored = {"unscored": answers.unscored} if answers.unscored else {}
            name = f"Label {question} by {labeller}"
            yield _table(name, _sort(answers.values) | unscored, "labels")


def _sort(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())


def _stages(record: RunRecord) -> str:
    lines = ["| stage | in | passed | rate | rejected because |", "|---|---:|---:|---:|---|"]
    for stage in record.stages:
        rate = f"{stage.passed / stage.seen:.1%}" if stage.seen else "–"
        reasons = "; ".join(f"{_cell(k)} {v:,}" for k, v in stage.rejected.items())
        lines.append(f"| {stage.name} | {stage.seen:,} | {stage.passed:,} | {rate} | {reasons} |")
    return "\n".join(lines)


def _table(name: str, values: dict[str, Any], unit: str = "rows", most: int = 25) -> str:
    if not values:
        return ""
    lines = [f"| {name} | {unit} |", "|---|---|"]
    lines += [f"| {_cell(k)} | {_cell(v)} |" for k, v in list(values.items())[:most]]
    if len(values) > most:
        lines.append(f"| … and {len(values) - most:,} more | |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    """Foreign text in a Markdown table: no markup, no line ends, not too long."""
    text = " ".join(str(value).split())[:160]
    text = "".join(c if c.isprintable() else "�" for c in text)
    for sign in "\\`*_<>|[]~&":
        text = text.replace(sign, "\\" + sign)
    return text
