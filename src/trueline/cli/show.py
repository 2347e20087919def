"""`trueline show`: what a data set holds."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from trueline.cli.ending import report
from trueline.cli.options import make_command
from trueline.formats.contract import ColumnMapping
from trueline.formats.load import load
from trueline.formats.registry import parse_mapping
from trueline.records.store import dataset
from trueline.records.store.labels import read_labelled_ids
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Label, Message, Reject
from trueline.runs.options import ARGUMENT, check_options

WORDS, LONGEST = 4, 40
"""Words and characters of a masked text that are shown at most."""

DISTINCT = 1_000
"""Values of one tag that are told apart; beyond, they are counted as others."""


class Lengths(Struct, frozen=True):
    """Characters of some texts."""

    median: int
    p90: int
    longest: int


class Coverage(Struct):
    """Answers to one question: given, and not given by an instrument that failed; `examples`
    have at least one answer."""

    examples: int = 0
    answered: int = 0
    unscored: int = 0
    values: Counter[str] = field(default_factory=Counter)
    by: Counter[str] = field(default_factory=Counter)


class Summary(Struct):
    """What was found in a data set; counts are of Examples unless their name says otherwise."""

    source: str
    state: str | None = None
    examples: int = 0
    rejects: int = 0
    responses: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Coverage] = field(default_factory=dict)
    licenses: Counter[str] = field(default_factory=Counter)
    datasets: Counter[str] = field(default_factory=Counter)
    recipes: Counter[str] = field(default_factory=Counter)
    tags: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Lengths] = field(default_factory=dict)
    shown: list[dict[str, Any]] = field(default_factory=list)


def summarise(
    source: Path,
    reads: str | None = None,
    mapping: ColumnMapping | None = None,
    examples: int = 3,
    reveal: bool = False,
) -> Summary:
    """Read a data set once, streamed, and count.  InputError where it is none."""
    found = Summary(str(source))
    lengths = {"prompt": array("q"), "response": array("q")}
    items: Iterable[Example | Reject]
    if reads is None and source.is_dir():
        listed = read_manifest(source)
        found.state = listed.state
        data = read_labelled_ids(source) if listed.labels_only else dataset.read(source)
        items = chain(data, dataset.rejects(source))
    else:
        items = load(source, reads, mapping)
    for item in items:
        if isinstance(item, Reject):
            found.rejects += 1
            found.reasons[f"{item.step}: {item.reason}"] += 1
            continue
        _count(found, item)
        if item.prompt:
            lengths["prompt"].append(sum(len(m.content) for m in item.prompt))
        lengths["response"].extend(len(r.text) for r in item.responses)
        if len(found.shown) < examples:
            found.shown.append(_shown(item, reveal))
    found.lengths = {name: _lengths(several) for name, several in lengths.items() if several}
    return found


def _count(found: Summary, example: Example) -> None:
    found.examples += 1
    found.responses[str(len(example.responses))] += 1
    answered = set[str]()
    for label in example.labels:
        coverage = found.labels.setdefault(label.question, Coverage())
        coverage.by[f"{label.by.kind} {label.by.name}"] += 1
        if label.value is None:
            coverage.unscored += 1
            continue
        coverage.answered += 1
        coverage.examples += label.question not in answered
        answered.add(label.question)
        _tally(coverage.values, str(label.value))
    source = example.source
    found.licenses[(source and source.license) or "unknown"] += 1
    found.datasets[source.dataset if source else "unknown"] += 1
    found.recipes[example.recipe or "none"] += 1
    for tag in example.tags:
        key, _, value = tag.partition(":")
        _tally(found.tags.setdefault(key, Counter()), value)


def _tally(counts: Counter[str], value: str) -> None:
    counts[value if value in counts or len(counts) < DISTINCT else "(others)"] += 1


def _lengths(several: array[int]) -> Lengths:
    ordered = sorted(several)
    last = len(ordered) - 1
    return Lengths(ordered[last // 2], ordered[int(last * 0.9)], ordered[last])


def _shown(example: Example, reveal: bool) -> dict[str, Any]:
    """One Example for reading: who says what, and who labelled it how."""

    def text(turn: Message) -> str:
        return turn.content if reveal else masked(turn.content)

    return {
        "id": example.id,
        "prompt": [f"{turn.role}: {text(turn)}" for turn in example.prompt],
        "responses": [
            " / ".join(f"{turn.role}: {text(turn)}" for turn in response.messages)
            for response in example.responses
        ],
        "labels": [
            f"{label.question} {list(label.about)} = {_answer(label, reveal)}, "
            f"by {label.by.kind} {label.by.name}"
            for label in example.labels
        ],
        "tags": list(example.tags),
    }


def _answer(label: Label, reveal: bool) -> str:
    """A label's value, or why it has none; both may repeat what was judged."""
    said = str(label.unscored if label.value is None else label.value)
    short = len(said.split()) <= WORDS and len(said) <= LONGEST  # an option, not a text
    shown = said if reveal or short else masked(said)
    return f"unscored ({shown})" if label.value is None else shown


def masked(text: str) -> str:
    """The first words of a text, never more than half of them, and its length: what is harmful
    cannot be known beforehand, and four words can be all of it."""
    words = text[:400].split()
    start = " ".join(words[: min(WORDS, len(words) // 2)])[:LONGEST]
    return f"{start} … [{len(text):,} characters]".lstrip() if text else text


def format_summary(found: Summary) -> list[str]:
    """The summary in lines for a person."""
    state = f" ({found.state})" if found.state == "partial" else ""
    lines = [f"{found.source}{state}: {found.examples:,} Examples, {found.rejects:,} rejects"]
    lines += _table("responses per Example", found.responses)
    for name, size in found.lengths.items():
        lines.append(
            f"  characters of a {name}: median {size.median:,}, "
            f"90 % at most {size.p90:,}, longest {size.longest:,}"
        )
    for question, coverage in found.labels.items():
        lines.append(
            f"  question {question}: on {coverage.examples / found.examples:.1%} of Examples; "
            f"{coverage.answered:,} labels answered, {coverage.unscored:,} unscored"
        )
        lines += [f"  {line}" for line in _table("values", coverage.values)]
        lines += [f"  {line}" for line in _table("by", coverage.by)]
    lines += _table("licences", found.licenses) + _table("data sets", found.datasets)
    lines += _table("recipes", found.recipes)
    for key, values in sorted(found.tags.items()):
        lines += _table(f"tag {key}", values)
    lines += _table("rejected", found.reasons)
    for one in found.shown:
        lines += ["", one["id"], *(f"  {turn}" for turn in one["prompt"])]
        lines += [f"  [{at}] {response}" for at, response in enumerate(one["responses"])]
        lines += [f"  {label}" for label in one["labels"]]
        lines += [f"  {' '.join(one['tags'])}"] if one["tags"] else []
    return lines


def _table(title: str, counts: Counter[str], most: int = 8) -> list[str]:
    if not counts:
        return []
    parts = [f"{name} ({count:,})" for name, count in counts.most_common(most)]
    if len(counts) > most:
        parts.append(f"and {len(counts) - most:,} more")
    return [f"  {title}: {', '.join(parts)}"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of `trueline show`."""

    data: Annotated[Path, Meta(description="Data set or file.", extra=ARGUMENT)]
    from_: Annotated[str | None, Meta(description="Format of the file (default: one of ours).")] = (
        None
    )
    map: Annotated[
        tuple[str, ...], Meta(description="PART=COLUMN, for --from columns; repeatable.")
    ] = ()
    examples: Annotated[int, Meta(description="Show N Examples.", ge=0)] = 3
    reveal: Annotated[bool, Meta(description="Show texts in full, not masked.")] = False
    json: Annotated[bool, Meta(description="Print the report as JSON.")] = False


def run(options: Options) -> None:
    check_options(options)
    columns = parse_mapping(options.map) or None
    summary = summarise(options.data, options.from_, columns, options.examples, options.reveal)
    report(summary, format_summary(summary), options.json)


command = make_command(
    Options,
    run,
    "Count Examples, labels, licences and lengths; show a few Examples, masked unless revealed.",
)
