"""What is wrong in a policy, found all at once: each problem with its table and key."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from trueline.policy.answers import choices, format_value, why_invalid
from trueline.policy.source import PolicySource, describe_unknown
from trueline.policy.types import Category, Crosswalk, Follows, Never, Policy, fold_spelling
from trueline.records.types import Question

Problem = tuple[str, str]
"""A key, and what is wrong there."""

_ID = re.compile(r"[\w.-]+")
_CHOOSES = ("one-of", "some-of")


def find_problems(policy: Policy, source: PolicySource) -> Iterator[str]:
    """Everything that is wrong in what could be read; rules that the file inherits are not held
    against the questions that it replaces."""
    for question in policy.values():
        place = f"question {question.id!r}" + ("" if question.id in source.own else " (inherited)")
        yield from (f"{place}, {key}: {why}" for key, why in question_problems(question))
        yield from (f"{place}, when: {why}" for why in _check_when(question, policy, source))
    yield from _find_cycles(policy)
    rules: tuple[tuple[str, tuple[Any, ...], Callable[..., Iterator[Problem]]], ...] = (
        ("never", source.own_never, _check_never),
        ("follows", source.own_follows, _check_follows),
    )
    for name, own_rules, check_rule in rules:
        for number, rule in enumerate(own_rules, 1):
            for key, why in check_rule(rule, policy, source):
                yield f"{name} number {number}, {key}: {why}"
    for name, category in source.own_categories.items():
        for key, why in _check_category(name, category, policy):
            yield f"category {name!r}, {key}: {why}"
    for name, walk in source.own_crosswalks.items():
        for key, why in _check_crosswalk(walk, policy):
            yield f"crosswalk {name!r}, {key}: {why}"


# ---- one question ----------------------------------------------------------------------------


def question_problems(question: Question) -> Iterator[Problem]:
    """Everything that is wrong with one question, whatever else there is."""
    for check in (_check_id, _check_choices, _check_anchors, _check_otherwise):
        yield from check(question)


def _check_id(question: Question) -> Iterator[Problem]:
    if not _ID.fullmatch(question.id):
        yield "id", "write letters, digits, and _ . - alone"
    if not question.ask.strip():
        yield "ask", "is empty"
    if not math.isfinite(question.weight):
        yield "weight", f"{question.weight} is no finite number"
    if question.kind == "preference" and question.about != "pair":
        yield "about", "a preference is about a pair"


def _check_choices(question: Question) -> Iterator[Problem]:
    """Options and levels, if the kind has them, and only then."""
    kind, options, levels = question.kind, question.options, question.levels
    if kind in _CHOOSES and not options:
        yield "options", f"a {kind} question needs options"
    if kind not in _CHOOSES and options:
        yield "options", f"a {kind} question has none"
    if kind == "scale" and len(levels) < 2:
        yield "levels", "a scale needs two levels or more"
    if kind != "scale" and levels:
        yield "levels", f"a {kind} question has none"
    for option, count in Counter(options).items():
        if count > 1:
            yield "options", f"{format_value(option)} stands there {count} times"
        if not option.strip():
            yield "options", "an option is empty"
    if list(levels) != sorted(set(levels)):
        yield "levels", f"{list(levels)} do not ascend"


def _check_anchors(question: Question) -> Iterator[Problem]:
    if question.kind == "yes-no":
        known = ["yes", "no"]
    else:
        known = [str(choice) for choice in choices(question)]
    for name, text in question.anchors.items():
        if name not in known:
            of = ", ".join(known) if known else f"a {question.kind} question has none"
            yield "anchors", f"there is no {name!r} to describe ({of})"
        if not text.strip():
            yield "anchors", f"the text for {name!r} is empty"


def _check_otherwise(question: Question) -> Iterator[Problem]:
    if question.otherwise is None:
        return
    if not question.when:
        yield "otherwise", "has no meaning without `when`"
    if (why := why_invalid(question, question.otherwise)) is not None:
        yield "otherwise", why


# ---- across questions ------------------------------------------------------------------------


def _check_when(question: Question, policy: Policy, source: PolicySource) -> Iterator[str]:
    for id, value in question.when.items():
        yield from _why_unanswerable(id, value, policy, source)
        if id in policy and policy[id].about not in (question.about, "prompt"):
            about = policy[id].about
            yield f"{id!r} is about a {about}, and this is about a {question.about}"


def _why_unanswerable(id: str, value: Any, policy: Policy, source: PolicySource) -> Iterator[str]:
    """Why the question of this id cannot be answered so."""
    if id in source.broken:
        return
    if id not in policy:
        yield f"the question {id!r} {describe_unknown(id, policy)}"
        return
    question = policy[id]
    answer = (value,) if question.kind == "some-of" else value
    if (why := why_invalid(question, answer)) is not None:
        yield f"{id!r} cannot be answered so: {why}"


def _find_cycles(policy: Policy) -> Iterator[str]:
    """Each circle of `when` once, beginning with the first question that is in it."""
    seen: set[str] = set()

    def walk(id: str, path: tuple[str, ...]) -> Iterator[str]:
        if id in path:
            circle = (*path[path.index(id) :], id)
            steps = ", which depends on ".join(repr(one) for one in circle[1:])
            yield f"question {circle[0]!r}, when: it depends on {steps}: a circle"
        elif id in policy and id not in seen:
            for parent in policy[id].when:
                yield from walk(parent, (*path, id))
            seen.add(id)

    for id in policy:
        yield from walk(id, ())


def _check_never(rule: Never, policy: Policy, source: PolicySource) -> Iterator[Problem]:
    for value in rule.answers:
        yield from (("answers", w) for w in _why_unanswerable(rule.question, value, policy, source))
    if not rule.answers:
        yield "answers", "are empty"
    for id, value in rule.when.items():
        yield from (("when", why) for why in _why_unanswerable(id, value, policy, source))
    if not rule.because.strip():
        yield "because", "is empty"


def _check_follows(rule: Follows, policy: Policy, source: PolicySource) -> Iterator[Problem]:
    preference, question = policy.get(rule.preference), policy.get(rule.question)
    if preference is None and rule.preference not in source.broken:
        yield (
            "preference",
            f"the question {rule.preference!r} {describe_unknown(rule.preference, policy)}",
        )
    elif preference is not None and preference.kind != "preference":
        yield "preference", f"{rule.preference!r} is a {preference.kind} question"
    yield from (
        ("better", w) for w in _why_unanswerable(rule.question, rule.better, policy, source)
    )
    if question is not None and question.about != "response":
        yield "question", f"{rule.question!r} is about a {question.about}, not a response"
    if not rule.because.strip():
        yield "because", "is empty"


# ---- categories and crosswalks ---------------------------------------------------------------


def _check_category(name: str, category: Category, policy: Policy) -> Iterator[Problem]:
    if not category.definition.strip():
        yield "definition", "is empty"
    if (category.nearest is None) != (category.difference is None):
        yield "nearest", "`nearest` and `difference` belong together"
    if category.nearest == name:
        yield "nearest", "is the category itself"
    elif category.nearest is not None and category.nearest not in policy.categories:
        yield (
            "nearest",
            f"the category {category.nearest!r} "
            + describe_unknown(category.nearest, policy.categories),
        )


def _check_crosswalk(walk: Crosswalk, policy: Policy) -> Iterator[Problem]:
    for source, ours in walk.to.items():
        if not ours:
            yield "to", f"{source!r} stands for nothing: put it under `none`, with the reason"
        for one in ours:
            if one not in policy.categories:
                yield "to", f"the category {one!r} {describe_unknown(one, policy.categories)}"
    for source, reason in walk.none.items():
        if not reason.strip():
            yield "none", f"{source!r} has no reason"
    for spelling, source in walk.names.items():
        if source not in walk.to and source not in walk.none:
            yield "names", f"{spelling!r} stands for {source!r}, which is not here"
    yield from (("none", f"{key!r} is under `to` too") for key in walk.none if key in walk.to)
    meant = {fold_spelling(key): key for key in (*walk.to, *walk.none)}
    for spelling, source in walk.names.items():
        if meant.setdefault(fold_spelling(spelling), source) != source:
            yield "names", f"{spelling!r} stands for {meant[fold_spelling(spelling)]!r} too"
