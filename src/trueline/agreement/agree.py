"""`trueline agree`: how far labellers agree on a data set, their consensus, and their cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.agreement import cards
from trueline.agreement.agreement import OnQuestion, Sides, agreements
from trueline.agreement.answers import Gathered, chosen, gather, grouping, listed
from trueline.agreement.consensus import Consensus
from trueline.files.errors import InputError
from trueline.formats.load import load
from trueline.policy.load import load as load_policy
from trueline.policy.types import Policy
from trueline.records.store import dataset
from trueline.records.store.labels import joined
from trueline.records.types import Example, LabellerId
from trueline.runs.context import RunContext
from trueline.runs.record import RunRecord, path_input
from trueline.runs.run import RunSpec, write_run
from trueline.runs.stage import Stage
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


class Decided(Struct, frozen=True):
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
    questions: list[OnQuestion]
    consensus: Decided | None = None
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
    group = grouping(options.by) if options.by else None
    unreadable = Counter[str]()
    found = gather(_examples(options, unreadable), policy, group, options.questions)
    _known(options, found)
    reports = agreements(found, Sides(options.first, options.second), options.floor)
    return Outcome(
        options.data,
        found.examples,
        {name: found.raters[by] for by, name in listed(found.raters).items()},
        dict(found.datasets),
        [p for p in (options.data, *options.labels) if _unfinished(p)],
        reports,
        _decided(options, found, policy, quiet) if options.consensus else None,
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


def _known(options: Options, found: Gathered) -> None:
    for name in options.questions:
        if name not in found.questions:
            answered = ", ".join(sorted(found.seen)) or "nothing"
            raise InputError(f"no label answers {name!r}: there are labels on {answered}")


def _unfinished(path: Path) -> bool:
    return path.is_dir() and dataset.manifest(path).state != "complete"


def _decided(options: Options, found: Gathered, policy: Policy, quiet: bool) -> Decided:
    named = options.first + options.second
    voters = [by for by in found.raters if by.kind != "derived"]
    if options.first:
        voters = list(dict.fromkeys(by for n in named for by in chosen(found.raters, n)))
    consensus = Consensus(voters, policy, options.questions)

    out = options.consensus or Path()
    decisive = {
        "questions": list(options.questions),
        "by": msgspec.to_builtins(consensus.by),
        "data": cards.data_of(found, options.data, options.labels).digest,
        "policy": [*policy.wordings],
    }
    settings = {"data": str(options.data), "labels": [str(p) for p in options.labels]}
    inputs = tuple(path_input(path) for path in (options.data, *options.labels))
    record = wait(
        write_run(
            _examples(options),
            [Stage.of("consensus", consensus)],
            out,
            RunSpec("agree", (), settings, decisive, inputs),
            RunContext(policy),
            total=found.examples,
            quiet=quiet,
        )
    )
    counts = {name: dict(c.most_common()) for name, c in consensus.counts.items()}
    return Decided(out, consensus.by, record, counts)


def _cards(options: Options, found: Gathered, reports: list[OnQuestion]) -> list[Path]:
    if options.card is None:
        return []
    data = cards.data_of(found, options.data, options.labels)
    made = cards.made(found, reports, data)
    if not made:
        raise InputError("--card: none of those compared is an instrument; people have no card")
    return [cards.write(card, options.card) for card in made]
