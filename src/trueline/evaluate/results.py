"""What came of an evaluation, and of comparing two: the records that compare and report read.

A results folder is a data set (the benchmarks' items with the model's responses and the labels on
them) and `results.json` beside it, whose numbers can be computed again from the data set.
"""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from trueline.files.atomic import fresh
from trueline.files.errors import InputError
from trueline.ledger.summary import Spend
from trueline.statistics.intervals import Interval

RESULTS = "results.json"
VERSION = 1

Better = Literal["higher", "lower"]


class Metric(Struct, frozen=True):
    """One number of a benchmark, before it is measured: the share of items on which `question` is
    answered with one of `value` (the mean answer, where there is none), by one instrument.

    `low` and `high` bound one item's score; `by` is how the benchmark names who answers, `name`
    and `instrument` who did.
    """

    benchmark: str
    question: str
    by: str
    name: str
    instrument: str | None
    better: Better
    value: tuple[bool | int | str, ...] = ()
    low: float = 0.0
    high: float = 1.0

    @property
    def key(self) -> str:
        """What names the metric among those of its benchmark."""
        return f"{self.question} by {self.name}"


class Measured(Struct, frozen=True):
    """A metric on one model's answers.

    `items` were asked, `scored` of them have a score; `interval` is of the mean over those
    (clustered where the benchmark says what belongs together), `least` and `most` what the mean
    could be whatever the unscored are.  `unscored` counts items by why; `spread` is the standard
    deviation of the mean between repeats, where there were several, and `lacking` how many repeats
    of scored items have no score themselves.
    """

    metric: Metric
    items: int
    scored: int
    interval: Interval
    least: float
    most: float
    unscored: dict[str, int] = {}
    repeats: int = 1
    spread: float | None = None
    lacking: int = 0

    @property
    def answers(self) -> tuple[int, int]:
        """How many answers have a score, and how many were to be given: every repeat counts."""
        return self.scored * self.repeats - self.lacking, self.items * self.repeats

    @property
    def headline(self) -> bool:
        """Whether enough was scored for the mean to be shown without its bounds."""
        from trueline.statistics.coverage import headline

        return headline(*self.answers)


class Ran(Struct, frozen=True):
    """One benchmark as it was run.

    `data` is the hash of the files it came from, `pinned` whether that hash was known before
    (else it was pinned by this run), `chosen` the hash of the items' ids, `asked` of how they were
    asked, `repeats` times each (`written`: choices as letters).  `source` is the file or hub
    repository with its revision.  `unfit` counts rows of the data that are no items (where a file
    breaks off, one stands for all after): they are rejected with their reasons.  `passed` counts
    those that the benchmark's own `where` passes over.
    """

    name: str
    about: str
    group: str
    license: str
    citation: str
    source: str
    data: str
    pinned: bool
    items: int
    chosen: str
    asked: str
    kind: str
    written: bool = False
    repeats: int = 1
    primary: str = ""
    unfit: int = 0
    passed: int = 0


class Results(Struct, frozen=True):
    """All of one evaluation; `left_out` gives by benchmark (or metric) why it was not measured."""

    trueline: int
    model: str
    identity: str
    config: dict[str, Any]
    versions: dict[str, str]
    benchmarks: list[Ran]
    measured: list[Measured]
    left_out: dict[str, str]
    spend: list[Spend]
    complete: bool
    started: str
    finished: str


def write(results: Results, folder: Path) -> None:
    """Put the results into their folder."""
    with fresh(folder / RESULTS) as file:
        file.write(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read(folder: Path) -> Results:
    """The results of a folder; InputError where it holds none that can be read."""
    path = folder / RESULTS
    try:
        raw = msgspec.json.decode(path.read_bytes())
        if (
            isinstance(raw, dict)
            and isinstance(made := raw.get("trueline"), int)
            and made > VERSION
        ):
            raise InputError(f"{path} is of a newer trueline (version {made})")
        return msgspec.convert(_restored(raw), Results)
    except OSError:
        raise InputError(
            f"{folder} holds no results: it has no {RESULTS} (`trueline evaluate` writes one when "
            "it ends)"
        ) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


_numbers = frozenset({"estimate", "low", "high", "least", "most"})


def _restored(raw: Any) -> Any:
    """Plain data of results as they were before they became JSON, which has no nan: null stands
    for it where a number is undefined."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(one) for one in value]
        if isinstance(value, dict):
            return {k: nan if v is None and k in _numbers else walk(v) for k, v in value.items()}
        return value

    if isinstance(raw, dict) and "measured" in raw:
        return raw | {"measured": walk(raw["measured"])}
    return raw


# ---- two models ------------------------------------------------------------------------------


class Difference(Struct, frozen=True):
    """One metric on two models' answers to the same items.

    `gain` is the paired difference of the means, turned so that more is better; `p` of a sign-flip
    test of no difference, `q` adjusted over the suite (Benjamini–Hochberg).  `base` and `treated`
    are means over the `paired` items that both have scores on, of `items`; `least` and `most` what
    the gain could be whatever the unscored are.  `withheld` says why it counts for no headline,
    None where it does.  `primary`: it stands for its benchmark in the headline.
    """

    metric: Metric
    group: str
    items: int
    paired: int
    base: Interval
    treated: Interval
    gain: Interval
    p: float
    q: float
    least: float
    most: float
    coverage: tuple[float, float]
    primary: bool
    withheld: str | None = None
    spread: tuple[float | None, float | None] = (None, None)


class Comparison(Struct, frozen=True):
    """A treated model against its base: `not_compared` gives by benchmark why not.

    `better` and `worse` count primary metrics by the sign of their gain, `improved` and `impaired`
    those that are significant at `level` after adjustment, of `counted`; `disagree` names the
    benchmarks on which two instruments, asked the same question, see the change differently.
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
    disagree: dict[str, str]
    headline: str
    level: float = 0.05
