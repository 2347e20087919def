"""`trueline agree`: how far labellers agree on a data set, their consensus, and their cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

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
from trueline.records.store.labels import joined
from trueline.records.types import Example, LabellerId
from trueline.runs.run import RunRecord, identity, run
from trueline.runs.stream import Item, Stage
from trueline.runs.sync import wait
from trueline.statistics.coverage import FLOOR


class Options(Struct, frozen=True, kw_only=True):
    """What is compared.

    Labellers of `first` are compared with those of `second`; with `second` alone all others are,
    with neither all with each other.  Each is a name, a kind, or an instrument's hash.
    `questions` are ids, all where there are none; `by` groups the items; under the `floor` of
    coverage no figure is given.  `consensus` is a new folder for labels by majority, `card` the
    folder into which the cards of `first` go.
    """

    data: Path
    labels: tuple[Path, ...] = ()
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    by: str | None = None
    policy: Path | None = None
    floor: float = FLOOR
    consensus: Path | None = None
    card: Path | None = None


class ConsensusRun(Struct, frozen=True):
    """The labels by majority: where they are, by whom, how the run went, and by question what
    came of it."""

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


def agree(options: Options, quiet: bool = False) -> Outcome:
    """Compare the labellers of a data set; labels are held in memory, texts are not.

    InputError for a labeller or question that is not there, for labels that belong to other data,
    and where no two labellers were asked the same.
    """
    if not 0 <= options.floor <= 1:
        raise InputError(f"--floor {options.floor}: a share between 0 and 1")
    if options.first and not options.second:
        raise InputError("--between A needs --and B: whom A is compared with")
    if options.card and not options.second:
        raise InputError("--card needs --reference, or --between and --and: whose card, by whom")
    policy = load_policy(options.policy)
    group = find_grouping(options.by) if options.by else None
    unreadable = Counter[str]()
    found = collect_answers(_examples(options, unreadable), policy, group, options.questions)
    _check_questions(options, found)
    reports = agreements(found, Sides(options.first, options.second), options.floor)
    return Outcome(
        options.data,
        found.examples,
        {name: found.labellers[by] for by, name in full_names(found.labellers).items()},
        dict(found.datasets),
        [p for p in (options.data, *options.labels) if _unfinished(p)],
        reports,
        _run_consensus(options, found, policy, quiet) if options.consensus else None,
        _cards(options, found, reports),
        unreadable.total(),
    )


def _examples(options: Options, unreadable: Counter[str] | None = None) -> Iterator[Example]:
    """The data with their labels; rows that are no Examples are counted, by reason."""

    def examples() -> Iterator[Example]:
        for item in load(options.data):
            if isinstance(item, Example):
                yield item
            elif unreadable is not None:
                unreadable[item.reason] += 1

    return joined(examples(), options.labels)


def _check_questions(options: Options, found: AnswerTable) -> None:
    for name in options.questions:
        if name not in found.questions:
            answered = ", ".join(sorted(found.label_counts)) or "nothing"
            raise InputError(f"no label answers {name!r}: there are labels on {answered}")


def _unfinished(path: Path) -> bool:
    return path.is_dir() and dataset.manifest(path).state != "complete"


def _run_consensus(
    options: Options, found: AnswerTable, policy: Policy, quiet: bool
) -> ConsensusRun:
    named = options.first + options.second
    voters = [by for by in found.labellers if by.kind != "derived"]
    if options.first:
        voters = list(dict.fromkeys(by for n in named for by in find_labellers(found.labellers, n)))
    consensus = Consensus(voters, policy, options.questions)

    def step(example: Example) -> Item:
        return consensus(example)

    out = options.consensus or Path()
    parts = {
        "questions": list(options.questions),
        "by": consensus.by,
        "data": cards.describe_data(found, options.data, options.labels).digest,
        "policy": [*policy.wordings],
    }
    record = wait(
        run(
            _examples(options),
            [Stage("consensus", step)],
            out,
            command="agree",
            identity=identity("agree", **parts),
            config={"data": str(options.data), "labels": [str(p) for p in options.labels]},
            total=found.examples,
            quiet=quiet,
            policy=policy,
        )
    )
    outcomes = count_outcomes(x for example in dataset.read(out) for x in example.labels)
    counts = {name: dict(c.most_common()) for name, c in outcomes.items()}
    return ConsensusRun(out, consensus.by, record, counts)


def _cards(options: Options, found: AnswerTable, reports: list[QuestionReport]) -> list[Path]:
    if options.card is None:
        return []
    data = cards.describe_data(found, options.data, options.labels)
    made = cards.build_cards(found, reports, data)
    if not made:
        raise InputError("--card: none of those compared is an instrument; people have no card")
    return [cards.write_card(card, options.card) for card in made]
