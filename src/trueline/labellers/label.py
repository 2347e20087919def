"""`trueline label`: a labeller's answers to the policy's questions, apart from the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from trueline.files.errors import InputError
from trueline.formats.load import load
from trueline.labellers.contract import bound_questions
from trueline.labellers.registry import Judging, enter_labeller, labeller_input
from trueline.labellers.targets import QuestionSet, questions_of, select_questions
from trueline.models.open import without_key
from trueline.policy.answers import short_reason
from trueline.policy.load import load as load_policy
from trueline.policy.types import Policy
from trueline.policy.values import OWN
from trueline.records.store import dataset
from trueline.records.store.labels import highest_sequence
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Label, Reject, Value
from trueline.runs.context import RunContext
from trueline.runs.options import Count, DataSet, PolicyFile, RunOptions, check_options
from trueline.runs.record import RunRecord
from trueline.runs.run import open_run
from trueline.runs.stage import Bound, Calls, Item, Rejected, Stage
from trueline.runs.stage import Outcome as StepOutcome
from trueline.runs.sync import run_sync
from trueline.runs.write import POLICY


@dataclass(frozen=True, kw_only=True)
class Options(DataSet, PolicyFile, RunOptions):
    """Options of `trueline label`."""

    labeller: Annotated[
        str,
        Meta(description="Labeller that answers, in one of the forms above."),
    ]
    question: Annotated[
        tuple[str, ...],
        Meta(description="Id of a question of the policy, or own: the Examples' own; repeatable."),
    ]
    after: Annotated[
        tuple[Path, ...],
        Meta(
            description="Earlier label set that these labels follow: of one labeller's statements "
            "the later counts; repeatable."
        ),
    ] = ()
    template: Annotated[
        Path | None, Meta(description="Jinja file with a judge's prompt (default: trueline's own).")
    ] = None
    write: Annotated[
        bool,
        Meta(description="Let a judge write its reasons even if its likelihoods could answer."),
    ] = False
    answer_tokens: Annotated[Count, Meta(description="Max tokens of a judge's answer.")] = 1024


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
            self.unscored[short_reason(label.unscored or "")] += 1
            return
        self.answered += 1
        self.values.update(_count_keys(label.value))

    @property
    def asked(self) -> int:
        return self.answered + self.unscored.total()

    @property
    def coverage(self) -> float | None:
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
    """A labelling: its run, whose labels they are, and what they say, by question.

    `unfinished`: the data are of a run that has more to come.  `measured`: an agreement card is to
    say how far the labeller errs.
    """

    run: RunRecord
    labeller: str
    instrument: str | None
    answers: list[Answers]
    unfinished: bool = False
    measured: bool = True

    @property
    def sound(self) -> bool:
        """Complete, with no Example turned away, and every question answered often enough for a
        headline."""
        whole = self.run.complete and not self.run.rejects and not self.unfinished
        return whole and all(a.headline for a in self.answers if a.asked)


def label(options: Options) -> Outcome | None:
    """Label a data set into a new folder of labels; None if the dry run only counted.

    Their labels are written alone (`records.store.labels.join_labels` brings them together).  A
    failed instrument is `Unscored` in a complete folder: labelling again into another folder pays
    for what failed, and for nothing else.  Questions that others depend on are asked as well.
    """
    check_options(options)
    policy = load_policy(options.policy)
    if not options.question:
        raise InputError(f"--question names none; the policy has: {', '.join(policy)}")
    questions = select_questions(options.question, policy)
    if options.dry_run:
        print(run_sync(_bounds(options, questions, policy)))
        return None
    return run_sync(_label(options, questions, policy))


def _judging(options: Options) -> Judging:
    return Judging(template=options.template, write=options.write, tokens=options.answer_tokens)


async def _label(options: Options, asked: QuestionSet, policy: Policy) -> Outcome:
    answers = {q.id: Answers(q.id, q.kind) for q in asked.policy}
    if asked.own:
        answers[OWN] = Answers(OWN, "the Examples' own")
    unfinished = options.data.is_dir() and read_manifest(options.data).state == "partial"
    stage = Stage(
        "label",
        partial(
            label_apart,
            name=options.labeller,
            questions=options.question,
            judging=_judging(options),
        ),
    )

    def observe(item: Item) -> None:
        for one in _labels_of(item):
            answers[one.question if one.question in answers else OWN].add(one)

    async with open_run("label", options, policy) as run:
        with closing(_examples(options)) as examples:
            make_writer = partial(_make_writer, (options.data, *options.after))
            record = await run.write(examples, [stage], observe=observe, writer=make_writer)
    (labeller,) = (given for given in record.inputs if given.kind.endswith("labeller"))
    return Outcome(
        record,
        labeller.path,
        labeller.hash or None,
        list(answers.values()),
        unfinished,
        measured=labeller.kind == "labeller",
    )


def _make_writer(earlier: Sequence[Path], folder: Path, identity: str) -> dataset.Writer:
    """Writes labels alone, which follow those that the data and earlier label sets have."""
    sequence = max((highest_sequence(path) for path in earlier if path.is_dir()), default=0)
    return dataset.Writer(folder, identity, sequence=sequence, labels_only=True)


def _labels_of(item: Item) -> tuple[Label, ...]:
    """The labels that the labeller gave, those that contradict the policy too."""
    if isinstance(item, Rejected) and item.stage == POLICY:
        item = item.example
    return item.labels if isinstance(item, Example) else ()


async def label_apart(
    context: RunContext, *, name: str, questions: tuple[str, ...], judging: Judging
) -> Calls:
    """Puts the labeller's labels of an Example in place of others."""
    asked = select_questions(questions, context.policy)
    labeller = await enter_labeller(context, name, asked, judging)

    async def step(example: Example) -> StepOutcome:
        try:
            given = questions_of(example, asked)
        except InputError as error:
            return Rejected(example, "a question that cannot be asked", str(error))
        labels = await labeller.label(example, given)
        return msgspec.structs.replace(example, labels=tuple(labels))

    return Calls(step, parallel=labeller.parallel, inputs=(labeller_input(labeller),))


async def _bounds(options: Options, asked: QuestionSet, policy: Policy) -> str:
    """The most calls and tokens that the labeller could need, before retries."""
    rows, bound = 0, Bound()
    async with RunContext(policy, dry=True) as context:
        labeller = await enter_labeller(context, options.labeller, asked, _judging(options))
        for item in _examples(options):
            if isinstance(item, Example):
                rows += 1
                bound += bound_questions(
                    labeller,
                    questions_of(item, asked),
                    prompts=bool(item.prompt),
                    responses=len(item.responses),
                )
    if bound == Bound():
        return f"{without_key(options.labeller)} sends no calls"
    return (
        f"at most, for {rows:,} Examples, before retries (hits in the ledger are free): "
        f"{bound.calls:,} calls, {bound.tokens:,} completion tokens"
    )


def _examples(options: Options) -> Generator[Example | Reject]:
    left = options.limit
    for item in load(options.data):
        if left == 0:
            return
        left = None if left is None else left - 1
        yield item


def _count_keys(value: Value) -> tuple[str, ...]:
    """The value as it is counted."""
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, tuple):
        return value or ("none",)
    return (str(value),)
