"""The answers that several labellers gave to the same questions, gathered from Examples.

A unit is one thing that a question was put about: a prompt, a response or a pair of one Example,
or one turn of it.  Only answers are kept, not texts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.policy import pku
from trueline.policy.answers import choices, short_reason
from trueline.policy.depend import resolve_answer
from trueline.policy.preference import in_order
from trueline.policy.types import Policy
from trueline.policy.values import Questions, all_questions, find_question
from trueline.records.labels import effective_labels
from trueline.records.types import Example, Label, LabellerId, Question, QuestionKind, Value

Place = tuple[tuple[int, ...], int | None]
"""What a label is about, and the turn."""

Grouping = Callable[[Example, tuple[int, ...]], tuple[str, ...]]
"""The groups to which what a question is about belongs."""

NONE = "(none)"
_types: dict[str, tuple[type, ...]] = {
    "yes-no": (bool,),
    "scale": (int,),
    "number": (int, float),
    "some-of": (tuple,),
}


@dataclass
class QuestionAnswers:
    """The answers to one question.

    `clusters` and `groups` go by unit.  `given` has by labeller and unit the answer, None if
    the labeller was asked and has none; a unit that is not there was not asked.  Of an answer
    that follows from others (a safe response has severity 0), the unit is in `implied`.  `stated`
    has the probabilities, `reasons` why there was no answer, `wordings` the hashes of the
    questions that were asked under this id.
    """

    question: str
    kind: QuestionKind
    choices: tuple[Any, ...] = ()
    parents: tuple[str, ...] = ()
    clusters: list[int] = field(default_factory=list)
    groups: list[tuple[str, ...]] = field(default_factory=list)
    given: dict[LabellerId, dict[int, Value | None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    implied: dict[LabellerId, set[int]] = field(default_factory=lambda: defaultdict(set))
    stated: dict[LabellerId, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    reasons: dict[LabellerId, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wordings: dict[LabellerId, set[str]] = field(default_factory=lambda: defaultdict(set))

    def unit(self, cluster: int, groups: tuple[str, ...]) -> int:
        """The number of a new unit."""
        self.clusters.append(cluster)
        self.groups.append(groups)
        return len(self.clusters) - 1

    def add(self, unit: int, label: Label) -> None:
        """What a labeller says of a unit."""
        by = label.by
        self.wordings[by].add(label.question_hash)
        if label.value is None:
            if self.given[by].setdefault(unit, None) is None:
                self.reasons[by][short_reason(label.unscored or "")] += 1
            return
        self._check_kind(label)
        self.given[by][unit] = label.value
        if label.probability is not None:
            self.stated[by][unit] = label.probability

    def imply(self, unit: int, by: LabellerId, value: Value) -> None:
        """An answer that follows from the labeller's others."""
        self.given[by][unit] = tuple(value) if isinstance(value, list) else value
        self.implied[by].add(unit)

    def _check_kind(self, label: Label) -> None:
        if not isinstance(label.value, _types.get(self.kind, (str,))) or (
            isinstance(label.value, bool) != (self.kind == "yes-no")
        ):
            raise InputError(
                f"Example {label.example}: {label.by.kind} {label.by.name} answers "
                f"{label.question!r} with {str(label.value)[:40]!r}, which is no answer to a "
                f"{self.kind} question: compare labellers that were asked one kind of question "
                "(--policy says which it is); what a cell of a table means is said when it is "
                f"converted, as by --map value:{label.question}:CELL=VALUE"
            )


@dataclass
class AnswerTable:
    """All answers by question, whose they are, and the sources of the Examples.

    `label_counts` has the number of labels on every question, wanted or not.
    """

    policy: Policy
    grouping: Grouping | None = None
    only: Collection[str] = ()
    questions: dict[str, QuestionAnswers] = field(default_factory=dict)
    examples: int = 0
    labellers: Counter[LabellerId] = field(default_factory=Counter)
    label_counts: Counter[str] = field(default_factory=Counter)
    datasets: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    _clusters: dict[str, int] = field(default_factory=dict)

    def add(self, example: Example) -> None:
        """Add the labels of one Example that count."""
        source = example.source
        self.examples += 1
        self.datasets[source.dataset if source else "unknown"] += 1
        self.licences[(source and source.license) or "unknown"] += 1
        own: dict[tuple[LabellerId, int | None], list[Label]] = defaultdict(list)
        labels: dict[str, dict[Place, list[Label]]] = defaultdict(lambda: defaultdict(list))
        for label in map(in_order, effective_labels(example.labels)):
            self.labellers[label.by] += 1
            self.label_counts[label.question] += 1
            own[label.by, label.turn].append(label)
            labels[label.question][label.about, label.turn].append(label)
        if not own:
            return
        cluster = self._cluster(example)
        for name in list(labels):
            if not self.only or name in self.only:
                self._add_question(example, name, cluster, labels, own)
        for name, question in self.policy.items():
            if name not in labels and question.when and (not self.only or name in self.only):
                self._add_question(example, name, cluster, labels, own)

    def _add_question(
        self,
        example: Example,
        name: str,
        cluster: int,
        labels: Mapping[str, Mapping[Place, list[Label]]],
        own: Mapping[tuple[LabellerId, int | None], list[Label]],
    ) -> None:
        question = find_question(name, example, self.policy)
        known = all_questions(example, self.policy)
        asked = [name, *ancestors(question, known)] if question else [name]
        places = dict.fromkeys(p for id in asked for p in labels.get(id, ()))
        if not places:
            return
        answers = self._answers_to(name, question, labels)
        for about, turn in places:
            unit = answers.unit(cluster, self.grouping(example, about) if self.grouping else ())
            stored = labels.get(name, {}).get((about, turn), ())
            for label in stored:
                answers.add(unit, label)
            if question is not None and question.when:
                answered = {label.by for label in stored}
                for (by, at), said in own.items():
                    if at == turn and by not in answered:
                        alone = Example(id="", labels=tuple(said))
                        value = resolve_answer(alone, question, about, by, known)
                        if value is not None:
                            answers.imply(unit, by, value)

    def _answers_to(
        self,
        name: str,
        question: Question | None,
        labels: Mapping[str, Mapping[Place, list[Label]]],
    ) -> QuestionAnswers:
        if name not in self.questions:
            if question is None:
                every = (x for several in labels[name].values() for x in several)
                kind = next((kind_of(x) for x in every if x.value is not None), None)
                if kind is None:  # only failures so far: any kind will do for them
                    kind = "one-of"
                self.questions[name] = QuestionAnswers(name, kind)
            else:
                choices_and_parents = choices(question), tuple(question.when)
                self.questions[name] = QuestionAnswers(name, question.kind, *choices_and_parents)
        return self.questions[name]

    def _cluster(self, example: Example) -> int:
        key = example.tag("cluster") or digest(example.prompt)
        return self._clusters.setdefault(key, len(self._clusters))


def collect_answers(
    examples: Iterable[Example],
    policy: Policy,
    grouping: Grouping | None = None,
    only: Collection[str] = (),
) -> AnswerTable:
    """The answers in the labels of the Examples to the questions `only`, or to all.

    A labeller who never answered a question that depends on others is not held to have answered
    it by them alone.
    """
    table = AnswerTable(policy, grouping, only)
    for example in examples:
        table.add(example)
    for answers in table.questions.values():
        for by in set(answers.given) - set(answers.wordings):
            del answers.given[by]
            answers.implied.pop(by, None)
    table.questions = {name: r for name, r in table.questions.items() if r.given}
    table.labellers = Counter(
        {by: table.labellers[by] for by in sorted(table.labellers, key=_order)}
    )
    return table


def _order(by: LabellerId) -> tuple[bool, str, str]:
    """People first, then by name: the order in which the data have them means nothing."""
    return by.kind not in ("person", "imported"), by.name, by.instrument or ""


def ancestors(
    question: Question, questions: Questions, below: tuple[str, ...] = ()
) -> Iterator[str]:
    """The questions about the same thing on which it depends, and those on which they do."""
    below = (*below, question.id)
    for name in question.when:
        parent = questions.get(name)
        if parent is not None and parent.about == question.about and name not in below:
            yield name
            yield from ancestors(parent, questions, below)


def kind_of(label: Label) -> QuestionKind:
    """The kind of question that the label answers, by its value."""
    value = label.value
    if len(label.about) == 2 and value in ("first", "second", "tie"):
        return "preference"
    kinds: dict[type, QuestionKind] = {bool: "yes-no", int: "scale", float: "number", str: "one-of"}
    return kinds.get(type(value), "some-of")


def find_grouping(name: str) -> Grouping:
    """The grouping of this name: language, source, category or tag:KEY.

    A category is the tag `category:`, or else those harm categories that any labeller named.
    """
    kind, _, key = name.partition(":")
    if name == "category":
        return _categories
    if name == "language":
        kind, key = "tag", "lang"
    if kind == "tag" and key:
        return lambda example, about: (example.tag(key) or NONE,)
    if name == "source":
        return lambda example, about: (example.source.dataset if example.source else NONE,)
    raise InputError(f"--group-by {name}: write language, source, category or tag:KEY")


def _categories(example: Example, about: tuple[int, ...]) -> tuple[str, ...]:
    if (tagged := example.tag("category")) is not None:
        return (tagged,)
    named = {
        category: None
        for label in example.labels
        if label.question == pku.HARM_CATEGORIES.id and isinstance(label.value, tuple)
        if not about or set(label.about) & set(about)
        for category in label.value
    }
    return tuple(map(str, named)) or (NONE,)


# ---- who ----------------------------------------------------------------------------------------


def short_names(labellers: Iterable[LabellerId]) -> dict[LabellerId, str]:
    """What to call each: by name, with as much beside it as tells them apart."""
    everyone = list(labellers)
    names: dict[LabellerId, str] = {}
    for by in everyone:
        parts = [by.name, f"{by.kind} {by.name}", f"{by.kind} {by.name} {str(by.instrument)[:8]}"]
        alike = [b for b in everyone if b.name == by.name]
        kinds = [b for b in alike if b.kind == by.kind]
        names[by] = parts[0] if len(alike) == 1 else parts[1] if len(kinds) == 1 else parts[2]
    return names


def full_names(labellers: Iterable[LabellerId]) -> dict[LabellerId, str]:
    """What to call each in a list of all: with the kind."""
    return {
        by: name if name.startswith(f"{by.kind} {by.name}") else f"{by.kind} {name}"
        for by, name in short_names(labellers).items()
    }


def find_labellers(labellers: Collection[LabellerId], wanted: str) -> list[LabellerId]:
    """Those whom a name, a kind, both, or the first eight digits or more of an instrument's hash
    names.  Raises InputError if it is nobody."""
    names = short_names(labellers)
    matching = [
        by
        for by in labellers
        if wanted in (by.name, by.kind, f"{by.kind} {by.name}", names[by])
        or (len(wanted) >= 8 and (by.instrument or "").startswith(wanted))
    ]
    if not matching:
        every = ", ".join(sorted(full_names(labellers).values())) or "nobody"
        raise InputError(f"no labeller is called {wanted!r}: there are labels by {every}")
    return matching
