"""`trueline show`: what a data set holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from trueline.cli.ending import report
from trueline.cli.options import make_command
from trueline.formats.contract import ColumnMapping
from trueline.formats.load import load
from trueline.formats.registry import parse_mapping
from trueline.records.store import dataset
from trueline.records.store.labels import read_labelled_ids
from trueline.records.store.manifest import read_manifest
from trueline.records.store.summary import QuestionCounts, Summarizer, Summary
from trueline.records.types import Example, Label, Message, Reject
from trueline.runs.options import ARGUMENT, check_options

WORDS, LONGEST = 4, 40
"""Words and characters of a masked text that are shown at most."""


class Contents(Struct, frozen=True):
    """A data set's summary and its first Examples; `state` is None if it is no data set folder."""

    source: str
    state: str | None
    summary: Summary
    previews: list[dict[str, Any]]


def read_contents(
    source: Path,
    format: str | None = None,
    mapping: ColumnMapping | None = None,
    n_previews: int = 3,
    reveal: bool = False,
) -> Contents:
    """Read a data set once, streamed, and count.  Raises InputError if it is none."""
    state: str | None = None
    items: Iterable[Example | Reject]
    if format is None and source.is_dir():
        manifest = read_manifest(source)
        state = manifest.state
        data = read_labelled_ids(source) if manifest.labels_only else dataset.read(source)
        items = chain(data, dataset.rejects(source))
    else:
        items = load(source, format, mapping)
    summarizer, previews = Summarizer(), list[dict[str, Any]]()
    for item in items:
        summarizer.add(item)
        if isinstance(item, Example) and len(previews) < n_previews:
            previews.append(preview_example(item, reveal))
    return Contents(str(source), state, summarizer.finish(), previews)


def preview_example(example: Example, reveal: bool) -> dict[str, Any]:
    """One Example for reading: who says what, and who labelled it how."""

    def text(turn: Message) -> str:
        return turn.content if reveal else mask(turn.content)

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
    answer = str(label.unscored if label.value is None else label.value)
    is_short = len(answer.split()) <= WORDS and len(answer) <= LONGEST  # an option, not a text
    answer = answer if reveal or is_short else mask(answer)
    return f"unscored ({answer})" if label.value is None else answer


def mask(text: str) -> str:
    """The first words of a text, never more than half of them, and its length: what is harmful
    cannot be known beforehand, and four words can be all of it."""
    words = text[:400].split()
    start = " ".join(words[: min(WORDS, len(words) // 2)])[:LONGEST]
    return f"{start} … [{len(text):,} characters]".lstrip() if text else text


def format_contents(contents: Contents) -> list[str]:
    """The contents in lines for a person."""
    summary = contents.summary
    state = f" ({contents.state})" if contents.state == "partial" else ""
    lines = [
        f"{contents.source}{state}: {summary.examples:,} Examples, {summary.rejects:,} rejects"
    ]
    lines += _table("responses per Example", summary.responses)
    for name, size in summary.lengths.items():
        lines.append(
            f"  characters of a {name}: median {size.median:,}, "
            f"90 % at most {size.p90:,}, longest {size.longest:,}"
        )
    for question, counts in summary.labels.items():
        lines += _question(question, counts, summary.examples)
    lines += _table("licences", summary.licenses) + _table("sources", summary.sources)
    lines += _table("responses by", summary.models) + _table("recipes", summary.recipes)
    for key, values in sorted(summary.tags.items()):
        lines += _table(f"tag {key}", values)
    lines += _table("rejected", summary.reasons)
    for shown in contents.previews:
        lines += ["", shown["id"], *(f"  {turn}" for turn in shown["prompt"])]
        lines += [f"  [{at}] {response}" for at, response in enumerate(shown["responses"])]
        lines += [f"  {label}" for label in shown["labels"]]
        lines += [f"  {' '.join(shown['tags'])}"] if shown["tags"] else []
    return lines


def _question(question: str, counts: QuestionCounts, examples: int) -> list[str]:
    values = counts.values
    labellers = Counter({name: labeller.labels for name, labeller in counts.by.items()})
    return [
        f"  question {question}: on {counts.examples / examples:.1%} of Examples; "
        f"{values.total():,} labels answered, {counts.unscored:,} unscored",
        *(f"  {line}" for line in _table("values", values)),
        *(f"  {line}" for line in _table("by", labellers)),
    ]


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
    contents = read_contents(options.data, options.from_, columns, options.examples, options.reveal)
    report(contents, format_contents(contents), options.json)


command = make_command(
    Options,
    run,
    "Count Examples, labels, licences and lengths; show a few Examples, masked unless revealed.",
)
