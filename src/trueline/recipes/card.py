"""The data card: what a data set is, computed from its shards and from nothing else."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from trueline.files.atomic import atomic_write
from trueline.policy.values import preferred_responses
from trueline.recipes.filters.boilerplate import ChosenTexts
from trueline.records.store import dataset
from trueline.runs.record import RunRecord

CARD = "CARD.md"


class Facts(msgspec.Struct, frozen=True):
    """What a data set's shards say of it; lengths are median characters."""

    rows: int
    rejects: int
    pairs: int
    prompt_length: float
    chosen_length: float
    rejected_length: float
    licenses: dict[str, int]
    sources: dict[str, int]
    tags: dict[str, dict[str, int]]
    labels: dict[str, dict[str, int]]
    models: dict[str, int]
    reasons: dict[str, dict[str, int]]
    boilerplate_uses: int
    boilerplate_share: float


def facts(path: Path) -> Facts:
    """Read every shard once."""
    prompts, chosen, rejected = list[int](), list[int](), list[int]()
    licenses, sources, models = Counter[str](), Counter[str](), Counter[str]()
    tags, labels, reasons = (dict[str, Counter[str]]() for _ in range(3))
    chosen_texts = ChosenTexts()
    for example in dataset.read(path):
        chosen_texts.add(example)
        prompts.append(sum(len(m.content) for m in example.prompt))
        if found := preferred_responses(example):
            chosen.append(len(found[0].text))
            rejected.append(len(found[1].text))
        source = example.source
        licenses[(source and source.license) or "not stated"] += 1
        sources[source.dataset if source else "not stated"] += 1
        models.update(r.model or "the text itself" for r in example.responses)
        for tag in example.tags:
            key, _, value = tag.partition(":")
            tags.setdefault(key, Counter())[value] += 1
        for label in example.labels:
            said = "unscored" if label.value is None else str(label.value)
            by = f"{label.question} by {label.by.kind} {label.by.name}"
            labels.setdefault(by, Counter())[said] += 1
    for reject in dataset.rejects(path):
        reasons.setdefault(reject.step, Counter())[reject.reason] += 1
    return Facts(
        rows=len(prompts),
        rejects=sum(c.total() for c in reasons.values()),
        pairs=len(chosen),
        prompt_length=statistics.median(prompts or [0]),
        chosen_length=statistics.median(chosen or [0]),
        rejected_length=statistics.median(rejected or [0]),
        licenses=dict(licenses.most_common()),
        sources=dict(sources.most_common()),
        models=dict(models.most_common()),
        tags=_sorted(tags),
        labels=_sorted(labels),
        reasons=_sorted(reasons),
        boilerplate_uses=chosen_texts.most,
        boilerplate_share=chosen_texts.share,
    )


def _sorted(counts: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: dict(c.most_common()) for name, c in sorted(counts.items())}


def write(path: Path, record: RunRecord) -> None:
    """Write `CARD.md` into the data set folder."""
    with atomic_write(path / CARD) as file:
        file.write(render(facts(path), record).encode())


def render(found: Facts, record: RunRecord) -> str:
    """The card as Markdown."""
    labellers = [f"`{given.path}`" for given in record.inputs if given.kind == "labeller"]
    filtered = (
        f"Rules and the labeller {' and '.join(labellers)} filtered the prompts."
        if labellers
        else "Only rules filtered the prompts: no labeller was asked whether they suit the domain, "
        "so expect some that do not."
    )
    parts = [
        "# Data card",
        f"`{record.command}`, {record.status}, {record.finished}.",
        f"{found.rows:,} Examples ({found.pairs:,} preference pairs), {found.rejects:,} rejects "
        "kept beside them with their reasons.",
        filtered,
        "## How many came through",
        _stages(record),
        "## Contents",
        f"Median characters: prompt {found.prompt_length:.0f}, chosen {found.chosen_length:.0f}, "
        f"rejected {found.rejected_length:.0f}.",
        f"The most frequent chosen text is used {found.boilerplate_uses:,} times "
        f"({found.boilerplate_share:.1%} of the pairs).",
        _table("Licence", found.licenses),
        _table("Source", found.sources),
        _table("Written by", found.models),
        *(_table(f"Tag {key}", values) for key, values in found.tags.items()),
        *(_table(f"Label {key}", values) for key, values in found.labels.items()),
        "## Made with",
        _table("Package", record.versions, "version"),
        _table("Setting", record.settings, "value", most=100),
        _table("Input", {f"{i.kind} {i.path}": i.hash for i in record.inputs}, "hash"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _stages(record: RunRecord) -> str:
    lines = ["| stage | in | passed | rate | turned away because |", "|---|---:|---:|---:|---|"]
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
