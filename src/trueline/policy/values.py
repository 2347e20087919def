"""Value rules: from the labels of an Example to one value, or to why there is none.

A rule is data with a name and a hash, so that a results file, a run or a settings file can hold
it.  The same rules give metrics to `evaluate`, preferences to recipes and formats, rewards to
`train` and the majority to `agreement`: nothing else turns labels into values.

Labels are chosen by `records.labels.effective_labels`.  If `by` names a labeller, only that one is
heard.  Else labels that a stored rule derived stand for those from which it derived them, and
several labellers are taken together as each rule says.  A labeller's answer that follows from
others (a safe response has severity 0) counts like one that was given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import isfinite

import msgspec
from msgspec import Struct

from trueline.files.hashing import digest
from trueline.policy.answers import format_value, matches
from trueline.policy.depend import resolve_answer
from trueline.policy.preference import PREFERRED, in_order, preference_label
from trueline.records.labels import effective_labels
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Question,
    Response,
    Unscored,
    Value,
)

About = tuple[int, ...]
Questions = Mapping[str, Question]
"""The policy: questions by id."""

_SHAPES = {"prompt": 0, "response": 1, "pair": 2}


# ---- the rules ---------------------------------------------------------------------------------


class ValueRule(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """From the labels on one thing to a value; the hash of a rule covers all of it."""

    @property
    def name(self) -> str:
        """What to call the rule in a table."""
        raise NotImplementedError

    def value(self, labels: Labels) -> Value | Unscored:
        """The value of the thing that these labels are about."""
        raise NotImplementedError


class Share(ValueRule, frozen=True, tag_field="kind", tag="share"):
    """1 if the answer to `question` is one of `accepted`, else 0 (of some-of questions: if it names
    one of them); of several labellers, the share whose answer is.  `by` is the labeller, None for
    all."""

    question: str
    accepted: tuple[bool | int | str, ...]
    by: LabellerId | None = None

    @property
    def name(self) -> str:
        return f"{self.question} = {' or '.join(map(format_value, self.accepted))}"

    def value(self, labels: Labels) -> Value | Unscored:
        answers = labels.answers(self.question, self.by)
        if isinstance(answers, Unscored):
            return answers
        return _mean([float(any(matches(v, one) for one in self.accepted)) for v in answers])


class Mean(ValueRule, frozen=True, tag_field="kind", tag="mean"):
    """The answer to `question` as a number (yes is 1, no is 0); of several labellers, their mean.
    `by` is the labeller, None for all."""

    question: str
    by: LabellerId | None = None

    @property
    def name(self) -> str:
        return f"mean of {self.question}"

    def value(self, labels: Labels) -> Value | Unscored:
        answers = labels.answers(self.question, self.by)
        if isinstance(answers, Unscored):
            return answers
        numbers = [_number(answer) for answer in answers]
        reason = next((n for n in numbers if isinstance(n, Unscored)), None)
        return reason or _mean([n for n in numbers if not isinstance(n, Unscored)])


class WeightedRubric(ValueRule, frozen=True, tag_field="kind", tag="weighted-rubric"):
    """What the Example's own questions come to: the sum of their weights, each times its answer,
    over the sum of the positive weights (as HealthBench scores, arXiv 2505.08775).

    A yes is 1 and a no 0; a level of a scale is its place between the lowest and the highest.  A
    question that does not apply (its `when`) is left out; if any other has no answer, there is no
    value.  `by` is the labeller, None for all.
    """

    by: LabellerId | None = None

    @property
    def name(self) -> str:
        return "weighted rubric"

    def value(self, labels: Labels) -> Value | Unscored:
        own = [q for q in labels.example.questions if _SHAPES[q.about] == len(labels.about)]
        total = possible = 0.0
        for question in own:
            if labels.is_skipped(question, self.by):
                continue
            answers = labels.answers(question.id, self.by, digest(question))
            if isinstance(answers, Unscored):
                return Unscored(f"{question.id}: {answers.reason}")
            fractions = [_fraction(question, answer) for answer in answers]
            for fraction in fractions:
                if isinstance(fraction, Unscored):
                    return fraction
            total += question.weight * _mean([f for f in fractions if not isinstance(f, Unscored)])
            possible += max(question.weight, 0.0)
        if not possible:
            what = "none of them applies with a positive weight" if own else "there are none"
            return Unscored(f"no value by the Example's own questions: {what}")
        return total / possible


class Majority(ValueRule, frozen=True, tag_field="kind", tag="majority"):
    """The answer to `question` that more than half of at least two labellers give; of some-of
    questions each option by itself.  Derived labels have no vote."""

    question: str

    @property
    def name(self) -> str:
        return f"majority on {self.question}"

    def value(self, labels: Labels) -> Value | Unscored:
        question = find_question(self.question, labels.example, labels.policy)
        if question is None:
            return Unscored(f"nothing is known of the question {self.question!r}")
        given = labels.by_labeller(self.question)
        votes = [v for by, v in given.items() if by.kind != "derived"]
        return majority(question, [v for v in votes if not isinstance(v, Unscored)])


class Agreed(ValueRule, frozen=True, tag_field="kind", tag="agreed"):
    """The answer to `question` that all labellers give."""

    question: str

    @property
    def name(self) -> str:
        return f"agreed on {self.question}"

    def value(self, labels: Labels) -> Value | Unscored:
        answers = labels.answers(self.question, None)
        return answers if isinstance(answers, Unscored) else _agreed(self.question, answers)


class Preferred(ValueRule, frozen=True, tag_field="kind", tag="preferred"):
    """Which response of a pair is better by a preference question: "first", "second" or "tie"."""

    question: str = PREFERRED.id

    @property
    def name(self) -> str:
        return self.question

    def value(self, labels: Labels) -> Value | Unscored:
        return Agreed(self.question).value(labels)


class Threshold(ValueRule, frozen=True, tag_field="kind", tag="threshold"):
    """Whether the value of another rule is at least, or at most, so much."""

    rule: Rule
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a threshold needs one of at_least and at_most")

    @property
    def name(self) -> str:
        limit = f"at most {self.at_most}" if self.at_least is None else f"at least {self.at_least}"
        return f"{self.rule.name} {limit}"

    def value(self, labels: Labels) -> Value | Unscored:
        value = self.rule.value(labels)
        number = value if isinstance(value, Unscored) else _number(value)
        if isinstance(number, Unscored):
            return number
        above = self.at_least is None or number >= self.at_least
        return above and (self.at_most is None or number <= self.at_most)


Rule = Share | Mean | WeightedRubric | Majority | Agreed | Preferred | Threshold
NumberRule = Share | Mean | WeightedRubric
"""The rules that give a number, and can be held to one labeller."""

OWN = "own"
"""In place of a question's id: the Example's own questions."""


def value_of(rule: Rule, example: Example, about: About, policy: Questions) -> Value | Unscored:
    """What the rule makes of the labels on one thing: the prompt `()`, a response `(i,)`, or a pair
    `(i, j)` with i < j.  The policy says which answers follow from others."""
    return rule.value(Labels(example, about, policy))


def number_of(rule: Rule, labels: Labels) -> float | Unscored:
    """What the rule makes of the labels, as a number."""
    value = rule.value(labels)
    return value if isinstance(value, Unscored) else _number(value)


def rule_hash(rule: Rule) -> str:
    """The digest of all that the rule says: rules of one hash give the same values."""
    return digest(rule)


# ---- which labels count ------------------------------------------------------------------------


class Labels:
    """The labels of an Example that are about one thing and count."""

    def __init__(self, example: Example, about: About, policy: Questions) -> None:
        self.example, self.about, self.policy = example, about, policy

    def on(self, question: str, by: LabellerId | None = None, wording: str = "") -> list[Label]:
        """The labels on a question, in the words of that hash if one is given."""
        # which labels count is decided question by question, so the others need not be looked at
        labels = (x for x in self.example.labels if x.question == question and x.turn is None)
        return [
            label
            for label in map(in_order, effective_labels(labels))
            if label.about == self.about
            and (by is None or is_same_labeller(label.by, by))
            and wording in ("", label.question_hash)
        ]

    def by_labeller(
        self, question: str, by: LabellerId | None = None, wording: str = ""
    ) -> dict[LabellerId, Value | Unscored]:
        """What each labeller says: the answer that is stored, or that follows from others."""
        answers: dict[LabellerId, Value | Unscored] = {}
        for label in self.on(question, by, wording):
            if label.value is not None:
                answers[label.by] = label.value
            else:
                answers.setdefault(label.by, Unscored(label.unscored or ""))
        asked = find_question(question, self.example, self.policy)
        if asked is not None and asked.when:
            for labeller in self._labellers(by):
                if (
                    labeller not in answers
                    and (implied := self._implied(asked, labeller)) is not None
                ):
                    answers[labeller] = implied
        return answers

    def answers(
        self, question: str, by: LabellerId | None, wording: str = ""
    ) -> list[Value] | Unscored:
        """The answers that decide, one at least, or why there is none."""
        given = self.by_labeller(question, by, wording)
        values = {who: v for who, v in given.items() if not isinstance(v, Unscored)}
        derived = [v for who, v in values.items() if who.kind == "derived"]
        if values:
            return derived or list(values.values())
        reasons = (v.reason for v in given.values() if isinstance(v, Unscored) and v.reason)
        missing = f"no label by {by.name}" if by is not None else f"no label on {question!r}"
        return Unscored(next(reasons, missing))

    def is_skipped(self, question: Question, by: LabellerId | None) -> bool:
        """Whether the answers to other questions say that this one does not apply, and that nothing
        follows from that; of several labellers, the answers of all."""
        if not question.when or question.otherwise is not None:
            return False
        known = all_questions(self.example, self.policy)
        applies: set[bool] = set()  # by the labellers that say anything of it
        for labeller in self._labellers(by):
            for id, wanted in question.when.items():
                parent = known.get(id)
                answer = parent and resolve_answer(
                    self._counting, parent, self.about, labeller, known
                )
                if answer is not None:
                    applies.add(matches(answer, wanted))
        return applies == {False} if by is None else False in applies

    def _labellers(self, by: LabellerId | None) -> Iterable[LabellerId]:
        every = dict.fromkeys(label.by for label in self._counting.labels)
        return [one for one in every if by is None or is_same_labeller(one, by)]

    def _implied(self, question: Question, by: LabellerId) -> Value | None:
        known = all_questions(self.example, self.policy)
        return resolve_answer(self._counting, question, self.about, by, known)

    @cached_property
    def _counting(self) -> Example:
        """The Example with the labels that count, of all questions."""
        labels = (in_order(x) for x in effective_labels(self.example.labels) if x.turn is None)
        return msgspec.structs.replace(self.example, labels=tuple(labels))


def is_same_labeller(one: LabellerId, other: LabellerId) -> bool:
    """Whether two ids name one labeller; the version is part of the instrument's hash."""
    return (one.kind, one.name, one.instrument) == (other.kind, other.name, other.instrument)


def all_questions(example: Example, policy: Questions) -> Questions:
    """The policy's questions and the Example's own, by id; of one id the policy's counts."""
    own = {question.id: question for question in example.questions if question.id not in policy}
    return {**policy, **own} if own else policy


def find_question(id: str, example: Example, policy: Questions) -> Question | None:
    """The question of this id: the policy's, or the Example's own."""
    return policy.get(id) or next((q for q in example.questions if q.id == id), None)


# ---- several answers, one value ----------------------------------------------------------------


def majority(question: Question, votes: Sequence[Value]) -> Value | Unscored:
    """The answer that more than half give, of two at least, or why there is none."""
    if len(votes) < 2:
        return Unscored("fewer than two answers")
    if question.kind == "some-of":
        return _majority_of_options(question, votes)
    (value, most), *_ = Counter(votes).most_common(1)
    if 2 * most > len(votes):
        return value
    split = ", ".join(f"{format_value(v)} {count}" for v, count in Counter(votes).most_common())
    return Unscored(f"no majority: {split}")


def _majority_of_options(question: Question, votes: Sequence[Value]) -> Value | Unscored:
    counts = Counter(option for vote in votes if isinstance(vote, tuple | list) for option in vote)
    if tied := [option for option in question.options if 2 * counts[option] == len(votes)]:
        return Unscored(f"no majority: as many name {tied[0]} as do not")
    named = tuple(o for o in question.options if 2 * counts[o] > len(votes))
    if not named and 2 * sum(not vote for vote in votes) <= len(votes):
        return Unscored("no majority: no option is named by more than half, nor none at all")
    return named


def _agreed(question: str, answers: Sequence[Value]) -> Value | Unscored:
    if len(distinct := list(dict.fromkeys(answers))) > 1:
        return Unscored(f"the labels on {question!r} differ")
    return distinct[0]


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _number(value: Value) -> float | Unscored:
    if not isinstance(value, (bool, int, float)):
        said = f"the answer {format_value(value)} is no number, and no value says that it counts"
        return Unscored(said)
    if not isfinite(value):
        return Unscored(f"the answer is {value}, no finite number")
    return float(value)


def _fraction(question: Question, value: Value) -> float | Unscored:
    """Where an answer lies between 0 and 1."""
    if question.kind == "yes-no" and isinstance(value, bool):
        return float(value)
    if question.kind == "scale" and isinstance(value, int):
        low, high = min(question.levels), max(question.levels)
        return (value - low) / (high - low) if high > low else 1.0
    said = f"{question.id}: {format_value(value)} has no place between 0 and 1"
    return Unscored(f"{said}: a rubric takes yes-no and scale questions")


# ---- which response is better ------------------------------------------------------------------


def find_preference(example: Example, question: str = PREFERRED.id) -> tuple[int, int] | Unscored:
    """The numbers of the chosen and the rejected response, or why there is no decision.

    `question` is the id of the preference question that decides: data of dual preference answers
    "more_helpful" and "safer" and leaves "preferred" open.  The labels that decide must agree on
    one pair.  A tie is no decision, a disagreement neither: a rule that resolves them adds a
    derived label.
    """
    labels = effective_labels(x for x in example.labels if x.question == question)
    pairs = (label for label in labels if len(label.about) == 2)
    answers = [label for label in map(in_order, pairs) if label.value is not None]
    derived = [label for label in answers if label.by.kind == "derived"]
    orders = {_order(label) for label in derived or answers}
    if not orders:
        return Unscored(_why_none(example, question))
    if len(orders) > 1:
        return Unscored("the preference labels disagree, or prefer in more than one pair")
    (order,) = orders
    return Unscored("the preference is a tie") if order is None else order


def preference_rule(name: str) -> Rule:
    """The rule by which people name who decides: the id of a preference question, or "own" for the
    Example's own questions."""
    return WeightedRubric() if name == OWN else Preferred(name)


def derive_preference(example: Example, rule: Rule, policy: Questions) -> Label | Unscored:
    """The derived label by which the rule decides which response is better, or why it does not
    decide: by a preference question, or by the value of each response (the highest is preferred to
    the lowest)."""
    if isinstance(rule, Preferred):
        order = find_preference(example, rule.question)
    else:
        order = _order_by_value(example, rule, policy)
    if isinstance(order, Unscored):
        return order
    by = LabellerId("derived", f"prefer {rule.name}", rule_hash(rule))
    return preference_label(example, *order, by)


def _order_by_value(example: Example, rule: Rule, policy: Questions) -> tuple[int, int] | Unscored:
    numbers: list[float] = []
    for at in range(len(example.responses)):
        value = value_of(rule, example, (at,), policy)
        number = value if isinstance(value, Unscored) else _number(value)
        if isinstance(number, Unscored):
            return Unscored(f"response {at} has no value by the {rule.name}: {number.reason}")
        numbers.append(number)
    if len(numbers) < 2:
        return Unscored("there are no two responses to compare")
    if max(numbers) == min(numbers):
        return Unscored("the preference is a tie")
    return numbers.index(max(numbers)), numbers.index(min(numbers))


def preferred_responses(example: Example) -> tuple[Response, Response] | None:
    """The chosen and the rejected response, or None if nothing decides."""
    order = find_preference(example)
    if isinstance(order, Unscored):
        return None
    return example.responses[order[0]], example.responses[order[1]]


def agreed_value(example: Example, question: str, about: About) -> Value | Unscored | None:
    """The answer that all labellers give to a question about the prompt or a response: Unscored if
    they differ, None if nobody answers."""
    answers = Labels(example, about, {}).answers(question, None)
    return None if isinstance(answers, Unscored) else _agreed(question, answers)


def _why_none(example: Example, question: str) -> str:
    kind = "" if question == PREFERRED.id else f"{question!r} "
    others = {x.question for x in example.labels if x.value in ("first", "second", "tie")}
    if not others - {question}:
        return f"no {kind}preference is labelled"
    named = " and ".join(sorted(others - {question}))
    mend = "convert --preference lets one of them decide"
    return f"no {kind}preference is labelled, but {named}: {mend}"


def _order(label: Label) -> tuple[int, int] | None:
    first, second = label.about
    return {"first": (first, second), "second": (second, first)}.get(str(label.value))
