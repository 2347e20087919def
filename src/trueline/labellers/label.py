"""`trueline label`: a labeller's answers to the policy's questions, apart from the data."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from trueline.files.errors import InputError
from trueline.formats.load import load
from trueline.labellers.contract import Labeller
from trueline.labellers.registry import Judging, open_labeller
from trueline.labellers.targets import targets, with_parents
from trueline.policy.load import load as load_policy
from trueline.records.store import dataset
from trueline.records.store.labels import apart, is_apart
from trueline.records.types import Example, Label, Question, Reject, Value
from trueline.runs.context import Count, RunOptions, Setup, check, setup
from trueline.runs.run import RunRecord
from trueline.runs.stream import Item, Stage, Step
from trueline.runs.sync import wait


class Options(RunOptions, frozen=True, kw_only=True):
    """What is to be labelled, by whom, on what."""

    data: Annotated[
        Path,
        Meta(description="The data set: a folder, .jsonl or .parquet.", extra={"argument": True}),
    ]
    by: Annotated[
        str,
        Meta(description="Who labels: refusal, classifier:…, guard:…, grader, or a model's name."),
    ]
    questions: Annotated[
        str, Meta(description="Ids of the policy's questions, with commas between them.")
    ]
    policy: Annotated[Path | None, Meta(description="A policy of your own.")] = None
    template: Annotated[Path | None, Meta(description="A judge's words, in Jinja.")] = None
    write: Annotated[
        bool, Meta(description="A judge writes reasons where it could tell by likelihood.")
    ] = False
    answer_tokens: Annotated[Count, Meta(description="Tokens of a judge's answer at most.")] = 1024
    limit: Annotated[Count | None, Meta(description="The first so many Examples only.")] = None


class Answers(Struct):
    """What came of one question: `values` counts what was answered (options of a some-of each for
    itself), `unscored` why the rest was not."""

    question: str
    kind: str
    answered: int = 0
    values: Counter[str] = msgspec.field(default_factory=Counter)
    unscored: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, label: Label) -> None:
        if label.value is None:
            self.unscored[(label.unscored or "").split(":")[0]] += 1
            return
        self.answered += 1
        self.values.update(_shown(label.value))

    @property
    def asked(self) -> int:
        return self.answered + self.unscored.total()

    @property
    def coverage(self) -> float:
        from trueline.statistics.coverage import coverage  # loads numpy

        return coverage(self.answered, self.asked)

    @property
    def headline(self) -> bool:
        """Whether enough was answered for a share to be printed without its bounds."""
        from trueline.statistics.coverage import headline

        return headline(self.answered, self.asked)

    def extremes(self, value: str) -> tuple[float, float]:
        """The least and the greatest share of the value, whatever the unscored are."""
        hits = self.values[value]
        return hits / self.asked, (hits + self.asked - self.answered) / self.asked


class Outcome(Struct, frozen=True):
    """A labelling: its run, whose labels they are, and what they say, by question; `unfinished`:
    the data are of a run that has more to come."""

    run: RunRecord
    labeller: str
    instrument: str | None
    answers: list[Answers]
    unfinished: bool = False

    @property
    def sound(self) -> bool:
        """Complete, with no Example turned away, and every question answered often enough for a
        headline."""
        whole = self.run.complete and not self.run.rejects and not self.unfinished
        return whole and all(a.headline for a in self.answers if a.asked)


def label(options: Options) -> Outcome | None:
    """Label a data set into a new folder of labels; None where the dry run only counted.

    Examples come as they are, their labels are written alone (`records.labels` joins them).  A
    failed instrument is `Unscored` in a complete folder: labelling again into another folder pays
    for what failed, and for nothing else.  Questions that others depend on are asked as well.
    """
    check(options)
    policy = load_policy(options.policy)
    names = [name.strip() for name in options.questions.split(",") if name.strip()]
    if not names:
        raise InputError(f"--questions names none; the policy has: {', '.join(policy)}")
    questions = with_parents(names, policy)
    if options.dry_run:
        print(bounds(options, questions))
        return None
    return wait(_label(options, questions))


async def _label(options: Options, questions: list[Question]) -> Outcome:
    policy = load_policy(options.policy)
    how = Judging(template=options.template, write=options.write, tokens=options.answer_tokens)
    found = {q.id: Answers(q.id, q.kind) for q in questions}
    unfinished = options.data.is_dir() and dataset.manifest(options.data).state == "partial"
    async with (
        setup("label", options) as ready,
        open_labeller(options.by, questions, policy, ready.model, how) as labeller,
    ):
        with closing(_examples(options)) as examples:
            run = await ready.run(
                examples,
                [
                    Stage(
                        "label",
                        labelled(labeller, questions, found),
                        window=_window(options, ready),
                    )
                ],
                policy=policy,
                instrument=labeller.by.instrument or "",
            )
    by, answers = labeller.by, list(found.values())
    return Outcome(run, by.name, by.instrument, answers, unfinished)


def _window(options: Options, ready: Setup) -> int:
    """Examples under way.  A grader has as many workers as there are cores: more Examples would
    only wait in line, and whoever asks the run to stop would wait for all of them."""
    grader = options.by.partition(":")[0] == "grader"
    return 4 * (os.cpu_count() or 1) if grader else ready.window


def labelled(labeller: Labeller, questions: Sequence[Question], tally: dict[str, Answers]) -> Step:
    """A step that gives the labels of an Example, apart from it, and counts them."""

    async def step(example: Example) -> Item:
        labels = await labeller.label(example, questions)
        for one in labels:
            tally[one.question].add(one)
        return apart(example, labels)

    return step


def bounds(options: Options, questions: Sequence[Question]) -> str:
    """The most calls and tokens that a judge could need, before retries.

    Of each thing the questions are asked together, twice where the first answer cannot be read, or
    by likelihood one by one, each option of a some-of too; a preference in both orders.
    """
    if options.by.partition(":")[0] in ("refusal", "classifier", "grader"):
        return f"{options.by} sends no calls"
    together = [[q for q in questions if q.about == about] for about in ("prompt", "response")]
    groups = [*filter(None, together), *([q] for q in questions if q.about == "pair")]
    most = [(group[0], _most(group, options.write)) for group in groups]
    rows = calls = 0
    for item in _examples(options):
        if isinstance(item, Example):
            rows += 1
            calls += sum(each * len(targets(item, question)) for question, each in most)
    return (
        f"at most, for {rows:,} Examples, before retries (hits in the ledger are free): "
        f"{calls:,} calls, {calls * options.answer_tokens:,} completion tokens"
    )


def _most(group: Sequence[Question], write: bool) -> int:
    """The most calls for questions that are asked together about one thing."""
    if group[0].kind == "preference":
        return 4
    return 2 if write else max(2, sum(len(q.options) if q.kind == "some-of" else 1 for q in group))


def _examples(options: Options) -> Generator[Example | Reject]:
    left = options.limit
    for item in load(options.data):
        if left == 0:
            return
        left = None if left is None else left - 1
        if isinstance(item, Example) and is_apart(item):
            raise InputError(f"{options.data} holds labels without their texts: give their data")
        yield item


def _shown(value: Value) -> tuple[str, ...]:
    """The value as it is counted."""
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, tuple):
        return value or ("none",)
    return (str(value),)
