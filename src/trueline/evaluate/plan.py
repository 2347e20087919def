"""What an evaluation is going to do: which benchmarks, on which items, and what it may cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.evaluate import results
from trueline.evaluate.asking import AskSettings, kinds
from trueline.evaluate.benchmarks.benchmark import Benchmark, load_suite, select_benchmarks
from trueline.evaluate.benchmarks.data import MissingData
from trueline.evaluate.benchmarks.items import TAG, read_items
from trueline.evaluate.instruments import JUDGE
from trueline.evaluate.options import LOCAL, Options
from trueline.evaluate.results import BenchmarkRun, Results
from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.policy.types import Policy
from trueline.records.store import dataset
from trueline.records.types import Example, Reject, Sampling
from trueline.runs.stage import Bound


class Planned(Struct, frozen=True):
    """A benchmark that is going to run, what will be said of it, and its items: none where answers
    that are there are only scored again."""

    benchmark: Benchmark
    how: AskSettings
    ran: BenchmarkRun
    examples: list[Example] = []
    rejects: list[Reject] = []

    def bound_asking(self) -> Bound:
        """The most calls and tokens that the model's answers could need."""
        kind = kinds()[self.how.spec.kind]
        return sum((kind.bound(example, self.how) for example in self.examples), Bound())


class Plan(Struct, frozen=True):
    """All of them, and by name why others are left out; `rescore` is the folder of `earlier`
    results whose answers are scored again."""

    benchmarks: list[Planned]
    left_out: dict[str, str]
    rescore: Path | None = None
    earlier: Results | None = None

    @property
    def total(self) -> int:
        """How many items and rejects the stream has."""
        return sum(one.ran.items + len(one.rejects) for one in self.benchmarks)

    def stream(self) -> Iterator[Example | Reject]:
        """Their items, each benchmark's spread evenly over the whole, so that none holds up the
        rest; with their answers where these are there."""
        if self.rescore is not None:
            yield from _answered(self.rescore, {one.ran.name for one in self.benchmarks})
            return
        for one in self.benchmarks:
            yield from one.rejects
        places = sorted(
            ((place + 0.5) / len(one.examples), number, place)
            for number, one in enumerate(self.benchmarks)
            for place in range(len(one.examples))
        )
        for _, number, place in places:
            yield self.benchmarks[number].examples[place]

    def bounds(self, scoring: Mapping[str, Bound]) -> str:
        """The most calls and tokens that it could need, before retries; `scoring` has by benchmark
        what the labels could cost."""
        lines = ["at most, before retries (hits in the ledger are free):"]
        total = Bound()
        for one in self.benchmarks:
            bound = scoring[one.ran.name] + one.bound_asking()
            lines.append(f"  {one.ran.name}: {one.ran.items:,} items, {_format_bound(bound)}")
            total += bound
        lines.append(f"  in all: {_format_bound(total)}")
        return "\n".join([*lines, *(f"left out: {why}" for why in self.left_out.values())])


def _format_bound(bound: Bound) -> str:
    return f"{bound.calls:,} calls, {bound.tokens:,} completion tokens"


def plan(options: Options, policy: Policy) -> Plan:
    """What the options ask for.

    A benchmark of the user's choice whose data are nowhere is an InputError, one of a group is left
    out with its reason, and "local" leaves out silently what is not here, without asking the hub.
    """
    names = list(options.benchmark)
    if not names:
        raise InputError("--benchmark names none; `trueline evaluate --list` shows which there are")
    if options.data is not None and not options.data.is_dir():
        raise InputError(f"--data {options.data} is no folder")
    found = _found(options, names, policy)
    takes = any(score.by == JUDGE for one in found.benchmarks for score in one.benchmark.metric)
    if options.judge and not takes:
        raise InputError("--judge: none of these benchmarks takes a judge")
    return found


def _found(options: Options, names: list[str], policy: Policy) -> Plan:
    if options.rescore is not None:
        return _again(options, names, policy, options.rescore)
    found, left_out = list[Planned](), dict[str, str]()
    for one in select_benchmarks(["all" if name == LOCAL else name for name in names], policy):
        wanted = (
            one.name in names or load_suite().get(one.name) is not one
        )  # by its name or its file
        try:
            found.append(_planned(options, one, fetch=wanted or LOCAL not in names))
        except MissingData as error:
            if wanted:
                raise
            if LOCAL not in names:
                left_out[one.name] = str(error)
    if not found:
        why = "; ".join(left_out.values()) or "no data are here: name their folder with --data"
        raise InputError(f"no benchmark can be run: {why}")
    return Plan(found, left_out)


def _planned(options: Options, one: Benchmark, *, fetch: bool) -> Planned:
    held = read_items(one, options.data, options.limit, fetch=fetch)
    sampling = Sampling(
        temperature=options.temperature,
        max_tokens=one.ask.max_tokens,
        seed=options.seed if options.temperature else None,
        stop=one.ask.stop,
    )
    written = one.ask.kind == "choice" and options.choice == "written"
    asked = msgspec.structs.replace(sampling, seed=None)  # seeds draw, they do not ask
    ran = BenchmarkRun(
        name=one.name,
        about=one.about,
        group=one.group,
        license=one.license,
        citation=one.citation,
        source=held.file.origin,
        data_hash=held.data_hash,
        pinned=held.file.pinned,
        items=len(held.examples),
        items_hash=digest(sorted(e.id for e in held.examples)),
        asking_hash=digest([one.asking_hash, asked, written]),
        kind=one.ask.kind,
        as_letters=written,
        repeats=options.repeats,
        invalid_rows=len(held.rejects),
        filtered_rows=held.filtered_rows,
    )
    how = AskSettings(one.ask, sampling, options.repeats, written)
    return Planned(one, how, ran, held.examples, held.rejects)


# ---- answers that are there already ------------------------------------------------------------


def _again(options: Options, names: list[str], policy: Policy, path: Path) -> Plan:
    earlier = results.read(path)
    ran = {one.name: one for one in earlier.benchmarks}
    wanted = list(ran) if names == [LOCAL] else names
    if names == [LOCAL] and (own := [name for name in ran if name not in load_suite()]):
        raise InputError(
            f"{path} has answers to {', '.join(own)}, not of the suite: name with --benchmark all "
            "that is to be scored again, and those by their TOML files"
        )
    found = []
    for one in select_benchmarks(wanted, policy):
        if one.name not in ran:
            raise InputError(f"{path} has no answers to {one.name}; it has: {', '.join(ran)}")
        how = AskSettings(one.ask, Sampling(), ran[one.name].repeats, ran[one.name].as_letters)
        found.append(Planned(one, how, ran[one.name]))
    return Plan(found, {}, path, earlier)


def _answered(path: Path, names: set[str]) -> Iterator[Example | Reject]:
    """The items of these benchmarks with their answers and without labels; those that had no
    answer have none now."""
    for example in dataset.read(path):
        if example.tag(TAG) in names:
            yield msgspec.structs.replace(example, labels=())
    for reject in dataset.rejects(path):
        if reject.example is not None and reject.example.tag(TAG) in names:
            yield reject
