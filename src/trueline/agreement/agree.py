"""`trueline agree`: how far labellers agree on a data set, their consensus, and their cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from trueline.agreement import cards
from trueline.agreement.agreement import QuestionReport, Sides, agreements
from trueline.agreement.answers import (
    AnswerTable,
    collect_answers,
    find_grouping,
    find_labellers,
    full_names,
)
from trueline.agreement.consensus import Consensus, count_outcomes
from trueline.files.errors import InputError
from trueline.formats.load import load
from trueline.policy.load import load as load_policy
from trueline.policy.types import Policy
from trueline.records.store import dataset
from trueline.records.store.labels import highest_sequence, join_labels, read_labels
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, LabellerId
from trueline.runs.context import RunContext
from trueline.runs.options import ARGUMENT, PolicyFile, check_options, settings
from trueline.runs.record import RunRecord, command_words, path_input
from trueline.runs.spec import RunSpec
from trueline.runs.stage import Stage
from trueline.runs.sync import run_sync
from trueline.runs.write import write_run
from trueline.statistics.coverage import FLOOR


@dataclass(frozen=True, kw_only=True)
class Options(PolicyFile):
    """Options of `trueline agree`."""

    data: Annotated[
        Path, Meta(description="Data set: a folder, .jsonl or .parquet.", extra=ARGUMENT)
    ]
    labels: Annotated[
        tuple[Path, ...],
        Meta(description="Label sets on it, in addition to its own labels.", extra=ARGUMENT),
    ] = ()
    labeller: Annotated[
        tuple[str, ...],
        Meta(
            description="Labeller to compare with the references: a name, a kind, or an "
            "instrument's hash; repeatable (default: all others)."
        ),
    ] = ()
    reference: Annotated[
        tuple[str, ...],
        Meta(description="Labeller to compare with; repeatable (default: all with each other)."),
    ] = ()
    question: Annotated[
        tuple[str, ...],
        Meta(description="Id of a question; repeatable (default: all that were answered)."),
    ] = ()
    group_by: Annotated[
        str | None,
        Meta(description="Report by group too: language, source, category or tag:KEY."),
    ] = None
    floor: Annotated[
        float,
        Meta(
            description="Share of items that must be answered before a figure is given.",
            ge=0,
            le=1,
        ),
    ] = FLOOR
    consensus: Annotated[Path | None, Meta(description="New folder for labels by majority.")] = None
    card: Annotated[
        Path | None,
        Meta(description="Folder for agreement cards of the labellers, as .trueline/cards."),
    ] = None
    json: Annotated[bool, Meta(description="Print the report as JSON.")] = False


class ConsensusRun(Struct, frozen=True):
    """The labels by majority: their folder, by whom, how the run went, and by question how many
    things were agreed on, or why not."""

    out: Path
    by: LabellerId
    run: RunRecord
    counts: dict[str, dict[str, int]]


class Outcome(Struct, frozen=True):
    """What was compared and found; `unfinished` are folders whose runs have more to come, and
    `unreadable` counts rows of the data that are no Examples."""

    data: Path
    examples: int
    labellers: dict[str, int]
    datasets: dict[str, int]
    unfinished: list[Path]
    questions: list[QuestionReport]
    consensus: ConsensusRun | None = None
    cards: list[Path] = []
    unreadable: int = 0

    @property
    def sound(self) -> bool:
        """Whether every figure could be given, of all there is and is to come."""
        whole = not self.unreadable and (self.consensus is None or self.consensus.run.complete)
        return whole and not self.unfinished and not any(q.withheld for q in self.questions)


def agree(options: Options) -> Outcome:
    """Compare the labellers of a data set; labels are held in memory, texts are not.

    Raises InputError for a labeller or question that is not there, for labels that belong to other
    data, and if no two labellers were asked the same.
    """
    check_options(options)
    if options.labeller and not options.reference:
        raise InputError("--labeller A needs --reference B: whom A is compared with")
    if options.card and not options.reference:
        raise InputError("--card needs --reference: by whom the others are measured")
    policy = load_policy(options.policy)
    group = find_grouping(options.group_by) if options.group_by else None
    unreadable = Counter[str]()
    table = collect_answers(_examples(options, unreadable), policy, group, options.question)
    _check_questions(options, table)
    reports = agreements(table, Sides(options.labeller, options.reference), options.floor)
    return Outcome(
        options.data,
        table.examples,
        {name: table.labellers[by] for by, name in full_names(table.labellers).items()},
        dict(table.datasets),
        [p for p in (options.data, *options.labels) if _unfinished(p)],
        reports,
        _run_consensus(options, table, policy) if options.consensus else None,
        _cards(options, table, reports),
        unreadable.total(),
    )


def _examples(options: Options, unreadable: Counter[str] | None = None) -> Iterator[Example]:
    """The data with their labels; rows that are no Examples are counted, by reason."""

    def examples() -> Iterator[Example]:
        for item in load(options.data, all_labels=True):
            if isinstance(item, Example):
                yield item
            elif unreadable is not None:
                unreadable[item.reason] += 1

    return join_labels(examples(), options.labels)


def _check_questions(options: Options, table: AnswerTable) -> None:
    for name in options.question:
        if name not in table.questions:
            answered = ", ".join(sorted(table.label_counts)) or "nothing"
            raise InputError(f"no label answers {name!r}: there are labels on {answered}")


def _unfinished(path: Path) -> bool:
    return path.is_dir() and read_manifest(path).state != "complete"


def _run_consensus(options: Options, table: AnswerTable, policy: Policy) -> ConsensusRun:
    named = options.labeller + options.reference
    voters = [by for by in table.labellers if by.kind != "derived"]
    if options.labeller:
        voters = list(dict.fromkeys(by for n in named for by in find_labellers(table.labellers, n)))
    consensus = Consensus(voters, policy, options.question)

    def make_writer(folder: Path, identity: str) -> dataset.Writer:
        tables = [path for path in (options.data, *options.labels) if path.is_dir()]
        highest = max(map(highest_sequence, tables), default=0)
        return dataset.Writer(folder, identity, sequence=highest, labels_only=True)

    out = options.consensus or Path()
    spec = RunSpec(
        command="agree",
        argv=command_words("agree", options),
        settings=settings(options),
        decisive={
            "question": list(options.question),
            "by": msgspec.to_builtins(consensus.by),
            "data": cards.describe_data(table, options.data, options.labels).digest,
            "policy": policy.identity,
        },
        inputs=tuple(path_input(path) for path in (options.data, *options.labels)),
    )
    record = run_sync(
        write_run(
            _examples(options),
            [Stage.of("consensus", consensus)],
            out,
            spec,
            RunContext(policy),
            total=table.examples,
            quiet=options.json,
            writer=make_writer,
        )
    )
    outcomes = count_outcomes(read_labels(out))
    counts = {name: dict(c.most_common()) for name, c in outcomes.items()}
    return ConsensusRun(out, consensus.by, record, counts)


def _cards(options: Options, table: AnswerTable, reports: list[QuestionReport]) -> list[Path]:
    if options.card is None:
        return []
    data = cards.describe_data(table, options.data, options.labels)
    built = cards.build_cards(table, reports, data)
    if not built:
        raise InputError("--card: none of those compared is an instrument; people have no card")
    return [cards.write_card(card, options.card) for card in built]
