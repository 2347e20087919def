"""How far labellers agree: any set of them against any other, question by question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from trueline.agreement.answers import (
    AnswerTable,
    QuestionAnswers,
    find_labellers,
    full_names,
    short_names,
)
from trueline.files.errors import InputError
from trueline.records.types import LabellerId
from trueline.statistics import agreement as coefficients
from trueline.statistics.calibration import brier, expected_calibration_error
from trueline.statistics.coverage import FLOOR, extremes, headline
from trueline.statistics.distance import Metric
from trueline.statistics.intervals import Interval
from trueline.statistics.resample import bootstrap
from trueline.statistics.sums import Statistic

METRICS: dict[str, Metric] = {"scale": "ordinal", "number": "interval", "some-of": "masi"}
"""The distance by which α compares answers, by kind of question; others are equal or not."""

ENOUGH = 30
"""Items of a group that an α of its own needs."""

PAIRS = 45
"""More pairs of labellers than these (those of ten) are not compared one by one."""

# Items, and distinct answers, from which a thousand resamples must do: ten take half a minute.
_MANY, _WIDE = 5_000, 300

Pairs = Sequence[tuple[LabellerId, LabellerId]]


class Confusion(Struct, frozen=True):
    """How often the first gave the row's value and the second the column's.  Of
    some-of questions, by option: both named it, the first alone, the second alone."""

    values: list[str]
    counts: list[list[int]]
    by_option: bool = False


class Calibration(Struct, frozen=True):
    """How far the stated probabilities came true, taking the other's answers for the truth."""

    items: int
    error: float
    brier: float


class Agreement(Struct, frozen=True):
    """How far one labeller agrees with others, on average over them, or (`joint`) several among
    themselves.

    `asked` counts the pairs of answers that were asked for and `scored` those that were given;
    under the floor the figures are withheld (None), and `least` and `most` bound the raw agreement
    over whatever the unscored would have been.  `raw_agreement` is the share of equal answers,
    `kappa` Cohen's, or Fleiss's if joint.  `alpha_asked` is α without implied answers (questions
    that were not asked because of a parent's answer).
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    items: int
    asked: int
    scored: int
    withheld: bool
    alpha: Interval | None
    raw_agreement: float | None
    kappa: float | None
    least: float | None
    most: float | None
    alpha_asked: Interval | None = None
    implied: int = 0
    joint: bool = False
    confusion: Confusion | None = None
    calibration: dict[str, Calibration] = {}
    groups: dict[str, Agreement] = {}


class Coverage(Struct, frozen=True):
    """Of one labeller: how many answers were asked for and given, why some were not, and the
    least and greatest share of each value over the unscored."""

    labeller: str
    asked: int
    answered: int
    unscored: dict[str, int]
    shares: dict[str, tuple[float, float]]


class QuestionReport(Struct, frozen=True):
    """All that was found on one question; `wordings` if its labellers were asked in several."""

    question: str
    kind: str
    metric: str
    parents: tuple[str, ...]
    wordings: dict[str, list[str]]
    coverage: list[Coverage]
    agreements: list[Agreement]

    @property
    def withheld(self) -> bool:
        return any(one.withheld for one in self.agreements)

    @property
    def summed(self) -> bool:
        """Whether the pairs of labellers are also taken together."""
        return any(one.joint or len(one.second) > 1 for one in self.agreements)


class Sides(Struct, frozen=True):
    """Whom to compare: some with others, or (both empty) all with each other."""

    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()


def agreements(table: AnswerTable, sides: Sides, floor: float = FLOOR) -> list[QuestionReport]:
    """The agreement on every question that both sides were asked.

    Raises InputError if a side names nobody, or there is nothing to compare.
    """
    names = short_names(table.labellers)
    first, second = (
        list(dict.fromkeys(by for name in side for by in find_labellers(table.labellers, name)))
        for side in (sides.first, sides.second)
    )
    if second and not first:
        first = [by for by in table.labellers if by not in second]
    if both := set(first) & set(second):
        same = ", ".join(sorted(names[by] for by in both))
        raise InputError(f"{same} would be compared with themselves: name two different sides")
    reports = [
        report
        for answers in table.questions.values()
        if (report := _question(answers, first, second, names, floor)).agreements
    ]
    if not reports:
        every = ", ".join(sorted(full_names(table.labellers).values())) or "nobody"
        asked = ", ".join(table.only) or ", ".join(table.questions) or "none"
        raise InputError(
            f"no two labellers to compare were asked the same question about the same thing; "
            f"labels are by {every}, questions: {asked}"
        )
    return reports


def _question(
    answers: QuestionAnswers,
    first: Sequence[LabellerId],
    second: Sequence[LabellerId],
    names: dict[LabellerId, str],
    floor: float,
) -> QuestionReport:
    left, right = ([by for by in side if by in answers.given] for side in (first, second))
    labellers = [*left, *right] if second else [by for by in names if by in answers.given]
    compare = Compare(answers, names, floor)
    pairs = [(a, b) for a in left for b in right] if second else list(combinations(labellers, 2))
    agreements = [compare([pair]) for pair in pairs] if len(pairs) <= PAIRS else []
    if second and len(right) > 1:
        agreements += [compare([(a, b) for b in right]) for a in left]
    elif not second and len(pairs) > 1:
        agreements.append(compare(pairs, joint=True))
    wordings: dict[str, list[str]] = {}
    for by in labellers:
        for hash in sorted(answers.wordings[by]):
            wordings.setdefault(hash, []).append(names[by])
    return QuestionReport(
        answers.question,
        answers.kind,
        METRICS.get(answers.kind, "nominal"),
        answers.parents,
        wordings if len(wordings) > 1 else {},
        [_covered(answers, by, names[by]) for by in labellers],
        [one for one in agreements if one is not None],
    )


class Compare:
    """Compares labellers on one question."""

    def __init__(
        self, answers: QuestionAnswers, called: dict[LabellerId, str], floor: float
    ) -> None:
        self.answers, self.called, self.floor = answers, called, floor
        self.metric = METRICS.get(answers.kind, "nominal")

    def __call__(self, pairs: Pairs, joint: bool = False) -> Agreement | None:
        """The agreement of the pairs, on average, or jointly; None if no two were asked about
        the same thing."""
        given = self.answers.given
        units = sorted({unit for a, b in pairs for unit in given[a].keys() & given[b].keys()})
        if not units:
            return None
        whole = self._over(units, pairs, joint)
        groups: dict[str, list[int]] = {}
        for unit in units:
            for group in self.answers.groups[unit]:
                groups.setdefault(group, []).append(unit)
        parts = {
            name: self._over(own, pairs, joint, plain=True) for name, own in sorted(groups.items())
        }
        return msgspec.structs.replace(whole, groups=parts)

    def _over(
        self, units: Sequence[int], pairs: Pairs, joint: bool, plain: bool = False
    ) -> Agreement:
        given, called = self.answers.given, self.called
        tables = [_both(given[a], given[b], units) for a, b in pairs]
        asked = sum(1 for a, b in pairs for u in units if u in given[a] and u in given[b])
        scored = [pair for table in tables for pair in table if None not in pair]
        same = [float(a == b) for a, b in scored]
        held = headline(len(scored), asked, self.floor)
        few = plain and len(units) < ENOUGH
        least, most = extremes(same, asked - len(scored), 0.0, 1.0) or (None, None)
        sides = dict.fromkeys(a for a, _ in pairs), dict.fromkeys(b for _, b in pairs)
        if joint:
            sides = dict.fromkeys(by for pair in pairs for by in pair), {}
        implied = self._implied(units, pairs)
        return Agreement(
            first=tuple(called[by] for by in sides[0]),
            second=tuple(called[by] for by in sides[1]),
            items=len(units),
            asked=asked,
            scored=len(scored),
            withheld=not held,
            alpha=self._alpha(units, tables, joint, pairs) if held and not few else None,
            raw_agreement=sum(same) / len(same) if held and same else None,
            kappa=self._kappa(units, tables, joint, pairs) if held and not plain else None,
            least=least,
            most=most,
            alpha_asked=self._alpha_asked(units, pairs)
            if implied and held and not (plain or joint)
            else None,
            implied=implied,
            joint=joint,
            confusion=None if plain or joint else self._confusion(scored),
            calibration={} if plain or joint else self._calibration(units, pairs),
        )

    def _alpha(
        self, units: Sequence[int], tables: list[Table], joint: bool, pairs: Pairs
    ) -> Interval:
        if joint:
            statistic = coefficients.krippendorff(self._rows(units, pairs), self.metric)
        else:
            statistic = mean_statistic([coefficients.krippendorff(t, self.metric) for t in tables])
        return self._estimate(statistic, units)

    def _estimate(self, statistic: Statistic, units: Sequence[int]) -> Interval:
        clusters = [self.answers.clusters[unit] for unit in units]
        small = len(units) < _MANY and statistic.rows.shape[1] < _WIDE
        resamples = 10_000 if small else 1_000
        return bootstrap(statistic, clusters, resamples=resamples)

    def _rows(self, units: Sequence[int], pairs: Pairs) -> list[tuple[Any, ...]]:
        raters = dict.fromkeys(by for pair in pairs for by in pair)
        return [tuple(self.answers.given[by].get(unit) for by in raters) for unit in units]

    def _kappa(
        self, units: Sequence[int], tables: list[Table], joint: bool, pairs: Pairs
    ) -> float | None:
        """Of answers that are one of a few; each kind of pair is counted once, with its number."""
        if self.answers.kind in ("number", "some-of"):
            return None
        if joint:
            rows = self._rows(units, pairs)
            if any(None in row for row in rows):
                return None
            return _number(coefficients.fleiss(rows).value)
        if len(tables) > 1:
            return None
        kinds = Counter(pair for pair in tables[0] if None not in pair)
        weights = "quadratic" if self.answers.kind == "scale" else "nominal"
        statistic = coefficients.cohen(list(kinds), weights)
        return _number(float(statistic.of(np.array(list(kinds.values()), float) @ statistic.rows)))

    def _implied(self, units: Iterable[int], pairs: Pairs) -> int:
        """Units in which an answer follows from others."""
        of = self.answers.implied
        raters = {by for pair in pairs for by in pair if by in of}
        return sum(any(unit in of[by] for by in raters) for unit in units)

    def _alpha_asked(self, units: Sequence[int], pairs: Pairs) -> Interval:
        given, implied = self.answers.given, self.answers.implied
        tables = []
        for a, b in pairs:
            out = implied.get(a, set()) | implied.get(b, set())
            asked = _both(given[a], given[b], units)
            tables.append(
                [(None, None) if u in out else t for u, t in zip(units, asked, strict=True)]
            )
        found = mean_statistic([coefficients.krippendorff(table, self.metric) for table in tables])
        return self._estimate(found, units)

    def _confusion(self, scored: list[tuple[Any, Any]]) -> Confusion | None:
        if self.answers.kind == "number":
            return None
        if self.answers.kind == "some-of":
            named: dict[Any, list[int]] = {}
            for a, b in scored:
                for option in dict.fromkeys((*a, *b)):
                    cell = (option in a, option in b)
                    place = 0 if all(cell) else 1 if cell[0] else 2
                    named.setdefault(option, [0, 0, 0])[place] += 1
            options = sorted(named, key=str)
            return Confusion([format_answer(o) for o in options], [named[o] for o in options], True)
        kinds = Counter(scored)
        seen = {value: None for pair in kinds for value in pair}
        values = [v for v in self.answers.choices if v in seen]
        values += sorted((v for v in seen if v not in values), key=str)
        counts = [[kinds[a, b] for b in values] for a in values]
        return Confusion([format_answer(v) for v in values], counts)

    def _calibration(self, units: Iterable[int], pairs: Pairs) -> dict[str, Calibration]:
        """Of each labeller who stated probabilities, against all whom they are compared with."""
        answers, wanted, found = self.answers, set(units), dict[str, Calibration]()
        turned = [*pairs, *((b, a) for a, b in pairs)]
        for by in dict.fromkeys(a for a, _ in turned if answers.stated.get(a)):
            stated, right = [], []
            for other in (b for a, b in turned if a == by):
                for unit, probability in answers.stated[by].items():
                    truth = answers.given[other].get(unit)
                    if unit in wanted and truth is not None:
                        stated.append(probability)
                        right.append(float(truth == answers.given[by][unit]))
            if stated:
                error = expected_calibration_error(stated, right)
                found[self.called[by]] = Calibration(len(stated), error, brier(stated, right).value)
        return found


Table = list[tuple[Any, Any]]


def _both(one: dict[int, Any], other: dict[int, Any], units: Iterable[int]) -> Table:
    return [(one.get(unit), other.get(unit)) for unit in units]


def mean_statistic(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of several statistics over the same units."""
    if len(statistics) == 1:
        return statistics[0]
    ends = np.cumsum([s.rows.shape[1] for s in statistics])[:-1]

    def of(sums: Any) -> Any:
        parts = np.split(sums, ends, axis=-1)
        return np.mean([s.of(p) for s, p in zip(statistics, parts, strict=True)], axis=0)

    return Statistic(np.concatenate([s.rows for s in statistics], axis=1), of)


def _covered(answers: QuestionAnswers, by: LabellerId, name: str) -> Coverage:
    """Coverage of the answers that the labeller was asked for; those that follow are not."""
    out = answers.implied.get(by, set())
    asked = [value for unit, value in answers.given[by].items() if unit not in out]
    scored = [value for value in asked if value is not None]
    missing = len(asked) - len(scored)
    counts = Counter(part for value in scored for part in _parts(value))
    if answers.kind == "number" or not asked:
        counts.clear()
    shares = {
        format_answer(value): (n / len(asked), (n + missing) / len(asked))
        for value, n in counts.most_common(20)
    }
    reasons = dict(answers.reasons[by].most_common(5)) if missing else {}
    return Coverage(name, len(asked), len(scored), reasons, shares)


def _parts(value: Any) -> Sequence[Any]:
    return (value or ("none",)) if isinstance(value, tuple) else (value,)


def format_answer(value: Any) -> str:
    """A value as a table has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _number(value: float) -> float | None:
    """A statistic is nan if it is undefined."""
    return None if np.isnan(value) else value
