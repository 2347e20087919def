"""How questions depend on each other: which are asked, what follows from others, and which
answers of one labeller contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from trueline.files.hashing import digest
from trueline.policy.answers import format_value, matches, why_invalid
from trueline.policy.types import Policy
from trueline.records.labels import effective_labels
from trueline.records.types import Example, Label, LabellerId, Question, Value

Answers = dict[tuple[str, tuple[int, ...]], list[Any]]
"""By question id and what it is about, the values that one labeller gave."""

_shapes = {"prompt": 0, "response": 1, "pair": 2}


# ---- reading ---------------------------------------------------------------------------------


def applies(question: Question, answers: Mapping[str, Value | None]) -> bool:
    """Whether the question is asked of a labeller who gave these answers (by question id): every
    answer that its `when` names must be there."""
    return all(
        answers.get(id) is not None and matches(answers[id], wanted)
        for id, wanted in question.when.items()
    )


def resolve_answer(
    example: Example,
    question: Question,
    about: tuple[int, ...],
    by: LabellerId,
    questions: Mapping[str, Question] | None = None,
    below: tuple[str, ...] = (),
) -> Value | None:
    """One labeller's answer: the stored one (the last, if there are several), or `otherwise` if
    `when` does not hold; None if neither is known.

    `questions` is needed only if `when` names questions that depend on others in turn.  `below`
    are the ids of those that depend on this one: foreign questions may do so in a circle.
    """
    stored = [
        label.value
        for label in example.labels
        if (label.question, label.about, label.by) == (question.id, about, by)
        and label.value is not None
    ]
    if stored:
        return stored[-1]
    known = questions or {}
    for id, wanted in question.when.items():
        if id in below:
            continue
        parent = known.get(id) or Question(id=id, about=question.about, kind="yes-no", ask="")
        for place in dict.fromkeys((about, ())):
            answer = resolve_answer(example, parent, place, by, known, (*below, question.id))
            if answer is not None and not matches(answer, wanted):
                return question.otherwise
    return None


def drop_implied_answers(example: Example, policy: Policy) -> Example:
    """The example without those imported answers that merely repeat what follows from another of
    the same labeller, as tables do that have severity 0 beside every safe answer: such answers are
    computed when read, and stored by nobody."""

    def repeats(label: Label) -> bool:
        question = policy.get(label.question)
        if label.by.kind != "imported" or question is None or not question.when:
            return False
        rest = (x for x in example.labels if x.question != label.question and x.turn == label.turn)
        alone = Example(id="", labels=tuple(rest))
        follows = resolve_answer(alone, question, label.about, label.by, policy)
        follows = tuple(follows) if isinstance(follows, list) else follows
        return type(follows) is type(label.value) and follows == label.value is not None

    kept = tuple(label for label in example.labels if not repeats(label))
    if len(kept) == len(example.labels):
        return example
    return msgspec.structs.replace(example, labels=kept)


# ---- contradictions --------------------------------------------------------------------------


def contradictions(
    example: Example, policy: Policy | Mapping[str, Question] | Iterable[Question]
) -> list[str]:
    """What the labels of an Example say that the policy rules out, in words; none if all is well.

    Held against each other are the answers of one labeller (kind, name and instrument) about one
    thing: an answer although its `when` does not hold, and what the policy's rules forbid.  An
    answer whose parent the labeller has not answered stands.  A label is held to the wording that
    its hash names, if it is known; if it is not (imported, asked in other words), its
    value may be of another scale, and only what depends on other answers counts.

    A bare list of questions has no rules across them.
    """
    if not example.labels:
        return []
    if not isinstance(policy, Policy):
        listed = policy.values() if isinstance(policy, Mapping) else policy
        policy = Policy({question.id: question for question in listed})
    own = {digest(question): question for question in example.questions}
    problems: list[str] = []
    said: dict[tuple[LabellerId, int | None], list[tuple[Label, Question | None]]] = defaultdict(
        list
    )
    for label in effective_labels(example.labels):
        if label.value is None:
            continue
        question = own.get(label.question_hash) or policy.wordings.get(label.question_hash)
        if question is not None and (why := _why_misplaced(example, label, question)) is not None:
            problems.append(_format_contradiction(label, why))
        else:
            said[label.by, label.turn].append((label, question))
    for several in said.values():
        answers: Answers = defaultdict(list)
        for label, _ in several:
            answers[label.question, label.about].append(label.value)
        for label, question in several:
            for rule in (_unmet_conditions, _broken_never_rules, _broken_follows_rules):
                reasons = rule(label, question, answers, policy)
                problems += (_format_contradiction(label, why) for why in reasons)
    return problems


def _why_misplaced(example: Example, label: Label, question: Question) -> str | None:
    """Why the label is no answer to the question that its hash names."""
    if label.question != question.id:
        return f"its hash is that of {question.id!r}"
    about = label.about
    if len(about) != _shapes[question.about] or list(about) != sorted(set(about)):
        return f"the question is about the {question.about}, and the label about {list(about)}"
    if about and not 0 <= about[0] <= about[-1] < len(example.responses):
        return f"there are {len(example.responses)} responses"
    return why_invalid(question, label.value)


def _parents(id: str, about: tuple[int, ...], answers: Answers) -> Sequence[Any]:
    """What the labeller answered to the question of this id about the same thing, or else about
    the prompt."""
    return answers.get((id, about)) or answers.get((id, ())) or ()


def _unmet_conditions(
    label: Label, question: Question | None, answers: Answers, policy: Policy
) -> list[str]:
    """The conditions of its question that do not hold."""
    question = question or policy.get(label.question)
    if question is None or not question.when:
        return []
    parents = ((id, v, _parents(id, label.about, answers)) for id, v in question.when.items())
    return [
        f"it is asked only if {id} is {format_value(wanted)}, and {id} is {format_value(given[-1])}"
        for id, wanted, given in parents
        if given and not any(matches(value, wanted) for value in given)
    ]


def _broken_never_rules(
    label: Label, question: Question | None, answers: Answers, policy: Policy
) -> list[str]:
    """The rules by which it is never given beside the other answers."""
    return [
        rule.because
        for rule in policy.never
        if rule.question == label.question
        and any(matches(label.value, answer) for answer in rule.answers)
        and all(
            {matches(given, wanted) for given in _parents(id, label.about, answers)} == {True}
            for id, wanted in rule.when.items()
        )
    ]


def _broken_follows_rules(
    label: Label, question: Question | None, answers: Answers, policy: Policy
) -> list[str]:
    """The rules by which another response of the pair is the preferred one."""
    found = []
    for rule in policy.follows:
        if rule.preference != label.question or len(label.about) != 2:
            continue
        good = [
            {matches(given, rule.better) for given in answers.get((rule.question, (at,)), ())}
            for at in label.about
        ]
        for alone, place in (([{True}, {False}], "first"), ([{False}, {True}], "second")):
            if good == alone and label.value != place:
                better = f"{rule.question} is {format_value(rule.better)}"
                found.append(f"{rule.because}: {better} of the {place} alone")
    return found


def _format_contradiction(label: Label, why: str) -> str:
    """A contradiction with its place, for a person to find it."""
    things = {0: "prompt", 1: "response", 2: "responses"}
    numbers = " and ".join(str(at) for at in label.about)
    place = f"{things.get(len(label.about), 'about')} {numbers}".strip()
    by = f"{label.by.kind} {label.by.name}"
    return f"{place}, {label.question} = {format_value(label.value)} by {by}: {why}"
