"""What a data set holds, counted in one pass: the one summary for people, data cards and releases.

A `Summarizer` is given every Example and Reject, and makes a `Summary`.  It holds counts and
lengths, no texts.
"""

from __future__ import annotations

from array import array
from collections import Counter

from msgspec import Struct, field

from trueline.records.types import Example, Label, Reject

DISTINCT = 1_000
"""Values of one kind that are counted apart; others are counted together, as OTHERS."""

OTHERS, UNKNOWN = "(others)", "unknown"
NO_MODEL = "no model (text of the source)"


class Lengths(Struct, frozen=True):
    """Characters of some texts."""

    median: int
    p90: int
    longest: int


class LabellerCounts(Struct):
    """One labeller's answers to a question by value, and how often it had none."""

    values: Counter[str] = field(default_factory=Counter)
    unscored: int = 0

    @property
    def labels(self) -> int:
        return self.values.total() + self.unscored


class QuestionCounts(Struct):
    """The labels on one question by labeller ("KIND NAME"); `examples` have at least one answer."""

    examples: int = 0
    by: dict[str, LabellerCounts] = field(default_factory=dict)

    @property
    def values(self) -> Counter[str]:
        """The answers of all labellers by value."""
        return sum((counts.values for counts in self.by.values()), Counter[str]())

    @property
    def unscored(self) -> int:
        return sum(counts.unscored for counts in self.by.values())


class Summary(Struct):
    """Counts of a data set: of Examples unless the name says otherwise.

    `responses` are Examples by their number of responses, `models` responses by who wrote them,
    `reasons` rejects by "STEP: REASON", `tags` by key and value.
    """

    examples: int = 0
    rejects: int = 0
    responses: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    labels: dict[str, QuestionCounts] = field(default_factory=dict)
    licenses: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    recipes: Counter[str] = field(default_factory=Counter)
    tags: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Lengths] = field(default_factory=dict)


class Summarizer:
    """Counts one data set."""

    def __init__(self, distinct: int = DISTINCT) -> None:
        self._summary, self._distinct = Summary(), distinct
        self._lengths: dict[str, array[int]] = {}

    def add(self, item: Example | Reject) -> None:
        """Count one Example or Reject."""
        summary = self._summary
        if isinstance(item, Reject):
            summary.rejects += 1
            self._count(summary.reasons, f"{item.step}: {item.reason}")
            return
        summary.examples += 1
        summary.responses[str(len(item.responses))] += 1
        source = item.source
        self._count(summary.licenses, (source and source.license) or UNKNOWN)
        self._count(summary.sources, source.dataset if source else UNKNOWN)
        self._count(summary.recipes, item.recipe or "none")
        for tag in item.tags:
            key, _, value = tag.partition(":")
            self._count(summary.tags.setdefault(key, Counter()), value)
        if item.prompt:
            self.add_length("prompt", sum(len(turn.content) for turn in item.prompt))
        for response in item.responses:
            self._count(summary.models, response.model or NO_MODEL)
            self.add_length("response", len(response.text))
        for label in item.labels:
            self._add_label(label)
        for question in {label.question for label in item.labels if label.value is not None}:
            summary.labels[question].examples += 1

    def add_length(self, text: str, characters: int) -> None:
        """Count a length under the name of a kind of text ("prompt", "response")."""
        self._lengths.setdefault(text, array("q")).append(characters)

    def finish(self) -> Summary:
        """The summary of all that was added."""
        self._summary.lengths = {name: _lengths(values) for name, values in self._lengths.items()}
        return self._summary

    def _add_label(self, label: Label) -> None:
        question = self._summary.labels.setdefault(label.question, QuestionCounts())
        counts = question.by.setdefault(f"{label.by.kind} {label.by.name}", LabellerCounts())
        if label.value is None:
            counts.unscored += 1
        else:
            self._count(counts.values, str(label.value))

    def _count(self, counts: Counter[str], value: str) -> None:
        is_apart = value in counts or len(counts) < self._distinct
        counts[value if is_apart else OTHERS] += 1


def _lengths(values: array[int]) -> Lengths:
    ordered = sorted(values)
    last = len(ordered) - 1
    return Lengths(ordered[last // 2], ordered[int(last * 0.9)], ordered[last])
