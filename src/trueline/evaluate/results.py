"""What came of an evaluation, and of comparing two: the records that compare and report read.

A results folder is a data set (the benchmarks' items with the model's responses and the labels on
them) and `results.json` beside it, whose numbers can be computed again from the data set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.files.versions import check_version
from trueline.ledger.summary import Spend
from trueline.policy.values import OWN, NumberRule, Share, WeightedRubric
from trueline.statistics.intervals import Interval

RESULTS = "results.json"
VERSION = 1

Better = Literal["higher", "lower"]


class Metric(Struct, frozen=True):
    """One number of a benchmark, before it is measured: the mean over items of what `rule` makes of
    the labels by one instrument.

    `low` and `high` bound one item's score; `by` is how the benchmark names who answers, and the
    rule says who did; `measured` is whether an agreement card is to say how far that errs.
    """

    benchmark: str
    by: str
    rule: NumberRule
    better: Better
    low: float = 0.0
    high: float = 1.0
    measured: bool = True

    @property
    def question(self) -> str:
        """The id of the question that scores it, "own" for those of the items themselves."""
        return OWN if isinstance(self.rule, WeightedRubric) else self.rule.question

    @property
    def accepted(self) -> tuple[bool | int | str, ...]:
        """The answers that count; empty if the score is the answer itself."""
        return self.rule.accepted if isinstance(self.rule, Share) else ()

    @property
    def name(self) -> str:
        """Who answers."""
        return self.rule.by.name if self.rule.by is not None else "all labellers"

    @property
    def instrument(self) -> str | None:
        """The hash of the instrument that answers."""
        return None if self.rule.by is None else self.rule.by.instrument

    @property
    def key(self) -> str:
        """What names the metric among those of its benchmark."""
        return f"{self.question} by {self.name}"

    @property
    def is_share(self) -> bool:
        """Whether it lies in [0, 1], and is shown in per cent."""
        return (self.low, self.high) == (0.0, 1.0)

    @property
    def description(self) -> str:
        """The metric for people: what counts, and who says so."""
        words = {True: "yes", False: "no"}
        accepted = " or ".join(
            str(words[value] if isinstance(value, bool) else value) for value in self.accepted
        )
        return f"{self.question}{f' = {accepted}' if accepted else ''}, by {self.name}"


class MetricResult(Struct, frozen=True):
    """A metric on one model's answers.

    `items` were asked, `scored` of them have a score; `interval` is of the mean over those
    (clustered if the benchmark says what belongs together), `least` and `most` what the mean could
    be whatever the unscored are (None if no range is known).  `unscored` counts items by why;
    `spread` is the standard deviation of the mean between repeats, if there were several.
    `n_missing`: unscored repeats of items that have a score.
    """

    metric: Metric
    items: int
    scored: int
    interval: Interval
    least: float | None
    most: float | None
    unscored: dict[str, int] = {}
    repeats: int = 1
    spread: float | None = None
    n_missing: int = 0

    @property
    def answers(self) -> tuple[int, int]:
        """How many answers have a score, and how many were to be given: every repeat counts."""
        return self.scored * self.repeats - self.n_missing, self.items * self.repeats

    @property
    def headline(self) -> bool:
        """Whether enough was scored for the mean to be shown without its bounds."""
        from trueline.statistics.coverage import headline

        return headline(*self.answers)


class BenchmarkRun(Struct, frozen=True):
    """One benchmark as it was run.

    `data_hash` is of the files that it came from, `pinned` if that hash was known before (else this
    run pinned it), `items_hash` of the items' ids, `asking_hash` of how they were asked, `repeats`
    times each (`as_letters`: choices as letters).  `source` is the file or hub repository with its
    revision.  `invalid_rows` counts rows of the data that are no items (if a file breaks off, one
    stands for all after): they are rejected with their reasons.  `filtered_rows` counts those that
    the benchmark's own `where` leaves out.
    """

    name: str
    about: str
    group: str
    license: str
    citation: str
    source: str
    data_hash: str
    pinned: bool
    items: int
    items_hash: str
    asking_hash: str
    kind: str
    as_letters: bool = False
    repeats: int = 1
    primary: str = ""
    invalid_rows: int = 0
    filtered_rows: int = 0


class Results(Struct, frozen=True):
    """All of one evaluation; `left_out` gives by benchmark (or metric) why it was not measured,
    `argv` the words of the command line that evaluates again."""

    trueline: int
    model: str
    identity: str
    argv: tuple[str, ...]
    config: dict[str, Any]
    versions: dict[str, str]
    benchmarks: list[BenchmarkRun]
    metrics: list[MetricResult]
    left_out: dict[str, str]
    spend: list[Spend]
    complete: bool
    started: str
    finished: str


def write(results: Results, folder: Path) -> None:
    """Put the results into their folder."""
    with atomic_write(folder / RESULTS) as file:
        file.write(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read(folder: Path) -> Results:
    """The results of a folder.  Raises InputError if it holds none that can be read."""
    path = folder / RESULTS
    try:
        raw = msgspec.json.decode(path.read_bytes())
        if isinstance(raw, dict) and isinstance(version := raw.get("trueline"), int):
            check_version(path, version, VERSION, "results")
        return msgspec.convert(raw, Results)
    except OSError:
        raise InputError(
            f"{folder} holds no results: it has no {RESULTS} (`trueline evaluate` writes one when "
            "it ends)"
        ) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


# ---- two models ------------------------------------------------------------------------------


class Difference(Struct, frozen=True):
    """One metric on two models' answers to the same items.

    `gain` is the paired difference of the means, turned so that more is better; `p` of a sign-flip
    test of no difference, `q` adjusted over the suite (Benjamini–Hochberg).  `base` and `treated`
    are means over the `paired` items that both have scores on, of `items`; `least` and `most` what
    the gain could be whatever the unscored are.  What is undefined is None.  `withheld` says why it
    counts for no headline, None if it does.  `primary`: it stands for its benchmark in the
    headline.
    """

    metric: Metric
    group: str
    items: int
    paired: int
    base: Interval
    treated: Interval
    gain: Interval
    p: float | None
    q: float | None
    least: float | None
    most: float | None
    coverage: tuple[float | None, float | None]
    primary: bool
    withheld: str | None = None
    spread: tuple[float | None, float | None] = (None, None)

    @property
    def direction(self) -> int:
        """1 if the treated model is better, -1 if it is worse, 0 if neither is known."""
        gain = self.gain.estimate or 0.0
        return (gain > 0) - (gain < 0)


class GroupMeans(Struct, frozen=True):
    """A group's mean in both models, over benchmarks by what was measured on them (`measures`).

    Means are shares of a metric's range.  Left out are the benchmarks that are `withheld` and those
    that have `other_measures`; `by_refusal`: only refusal was measured.
    """

    base: Interval
    treated: Interval
    measures: dict[str, list[str]]
    withheld: list[str]
    other_measures: list[str]
    by_refusal: bool


class Comparison(Struct, frozen=True):
    """A treated model against its base: `not_compared` gives by benchmark why not.

    `better` and `worse` count primary metrics by the sign of their gain, `improved` and `impaired`
    those that are significant at `level` after adjustment, of `counted`; `disagreements` names the
    benchmarks on which two instruments, asked the same question, see the change differently;
    `group_means` has the groups of the trade that training makes (harm, refusal, capability).
    """

    base: Results
    treated: Results
    base_folder: str
    treated_folder: str
    differences: list[Difference]
    not_compared: dict[str, str]
    counted: int
    better: int
    worse: int
    improved: int
    impaired: int
    disagreements: dict[str, str]
    group_means: dict[str, GroupMeans]
    headline: str
    level: float = 0.05
