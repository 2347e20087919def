"""One answer from several: by majority, within what the policy allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trueline.agreement.answers import Place, ancestors, short_names
from trueline.files.hashing import digest
from trueline.policy.answers import short_reason
from trueline.policy.depend import applies, contradictions, resolve_answer
from trueline.policy.preference import in_order
from trueline.policy.types import Policy
from trueline.policy.values import Questions, all_questions, majority
from trueline.records.labels import effective_labels
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Question,
    Unscored,
    Value,
    with_labels,
)

RECIPE = "majority@1"


class Consensus:
    """Derives labels by majority of the `voters`, on the questions `only`, or on all.

    A value wins that more than half of those who answered gave, of two at least; of some-of
    questions each option by itself (`policy.values.Majority`).  If none does, or if what wins
    contradicts the answers before it, the label is `Unscored` and says so.  A question that depends
    on others is asked only if the consensus on those asks it.
    """

    def __init__(
        self, voters: Sequence[LabellerId], policy: Policy, only: Iterable[str] = ()
    ) -> None:
        called = short_names(voters)
        who = ", ".join(called[by] for by in voters)
        rule = digest([RECIPE, sorted(voters, key=digest)])
        self.by = LabellerId("derived", f"majority of {len(voters)}: {who}", rule)
        self.voters, self.policy, self.only = list(voters), policy, set(only)

    def __call__(self, example: Example) -> Example:
        """One Example with the labels of the consensus in place of others."""
        counting = map(in_order, effective_labels(example.labels))
        cast = [label for label in counting if label.by in self.voters]
        turns = dict.fromkeys(label.turn for label in cast)
        labels: list[Label] = []
        for turn in turns:
            labels += self._turn(example, turn, [label for label in cast if label.turn == turn])
        return msgspec.structs.replace(example, labels=tuple(labels))

    def _turn(self, example: Example, turn: int | None, cast: list[Label]) -> list[Label]:
        plain = Example(
            id=example.id,
            prompt=example.prompt,
            responses=example.responses,
            questions=example.questions,
        )
        ballots = {
            by: with_labels(plain, *(label for label in cast if label.by == by))
            for by in self.voters
        }
        settled, known = plain, all_questions(example, self.policy)
        for question in self._questions(known, cast):
            for about in _places(question, known, cast):
                if not self._applies(settled, question, known, about):
                    continue
                votes = [
                    resolve_answer(ballot, question, about, by, known)
                    for by, ballot in ballots.items()
                ]
                label = self._label(settled, question, (about, turn), votes)
                settled = with_labels(settled, label)
        return list(settled.labels)

    def _applies(
        self, settled: Example, question: Question, known: Questions, about: tuple[int, ...]
    ) -> bool:
        """Whether the consensus so far leaves the question to be asked."""
        given: dict[str, Value | None] = {}
        for name in question.when:
            parent = known.get(name)
            if parent is not None:
                place = about if parent.about == question.about else ()
                given[name] = resolve_answer(settled, parent, place, self.by, known)
        return applies(question, given)

    def _questions(self, known: Questions, cast: Iterable[Label]) -> list[Question]:
        """Those that were answered, parents first, and those that they depend on."""
        questions: dict[str, Question] = {}
        for name in dict.fromkeys(label.question for label in cast):
            question = known.get(name)
            if question is not None and (not self.only or name in self.only):
                for id in (*reversed(list(ancestors(question, known))), name):
                    questions[id] = known[id]
        depths = {id: len(set(ancestors(q, known))) for id, q in questions.items()}
        order = {name: place for place, name in enumerate(known)}
        return sorted(questions.values(), key=lambda q: (bool(q.when), depths[q.id], order[q.id]))

    def _label(
        self, settled: Example, question: Question, place: Place, votes: Sequence[Value | None]
    ) -> Label:
        cast = [vote for vote in votes if vote is not None]
        silent = len(self.voters) - len(cast)
        note = f"of {len(cast)} answers" + (f"; {silent} gave none" if silent else "")
        about, turn = place

        def label(outcome: Value | Unscored) -> Label:
            said: dict[str, Any] = {"value": outcome}
            if isinstance(outcome, Unscored):
                said = {"unscored": outcome.reason}
            return Label.new(settled, question, about, self.by, **said, turn=turn, note=note)

        elected = label(majority(question, cast))
        if elected.value is None:
            return elected
        if wrong := contradictions(with_labels(settled, elected), self.policy):
            return label(Unscored(f"the majorities contradict each other: {'; '.join(wrong)}"))
        return elected


def _places(question: Question, known: Questions, cast: Iterable[Label]) -> list[tuple[int, ...]]:
    """What the question is to be settled about: all of which it, or its parents, were answered."""
    asked = {question.id, *ancestors(question, known)}
    return sorted({label.about for label in cast if label.question in asked})


def count_outcomes(labels: Iterable[Label]) -> dict[str, Counter[str]]:
    """By question, on how many things the voters agreed, and why they did not on the others."""
    counts: dict[str, Counter[str]] = {}
    for label in labels:
        outcome = "agreed" if label.unscored is None else short_reason(label.unscored)
        counts.setdefault(label.question, Counter())[outcome] += 1
    return counts
