"""Answers that a model wrote, read as generously as they can be without guessing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from trueline.files.text import clean
from trueline.labellers.answer import NOT_ASKED, Answer, applies
from trueline.models.contract import Completion
from trueline.records.types import Question, Value

# "No, it is fine." is an answer; "No idea", "No-one", "Yes and no" and "Yes/no" are not.
_FIRST = re.compile(
    r"\W*(yes|true|no|false)(?!\W+(?:(?:or|and|but)\W+)?(?!\1\b)(?:yes|true|no|false)\b)"
    r"[^\S\n]*(?:$|\n|[^\w\s'’-])",
    re.IGNORECASE,
)
_BEGUN = re.compile(r'\{\s*"')
KEPT = 4000  # characters of a judge's words that a label keeps


class Unreadable(Exception):
    """An answer that is none, and why; shown to the judge for its second try."""


CONFLICT = "said twice, differently"
"""Stands for the value of a name that has two in one object; it is no answer to any question."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        values[name] = value if values.get(name, value) == value else CONFLICT
    return values


_decoder = json.JSONDecoder(object_pairs_hook=_object)


def schema(questions: Sequence[Question]) -> str:
    """The JSON schema of an answer to the questions, reason first."""
    properties: dict[str, Any] = {"reason": {"type": "string"}}
    for question in questions:
        shape = _shape(question)
        properties[question.id] = {"anyOf": [shape, {"type": "null"}]} if question.when else shape
    found = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return json.dumps(found, ensure_ascii=False)


def _shape(question: Question) -> dict[str, Any]:
    match question.kind:
        case "yes-no":
            return {"type": "string", "enum": ["yes", "no"]}
        case "one-of":
            return {"type": "string", "enum": list(question.options)}
        case "some-of":
            return {"type": "array", "items": {"type": "string", "enum": list(question.options)}}
        case "scale":
            return {"type": "integer", "enum": list(question.levels)}
        case "number":
            return {"type": "number"}
        case "preference":
            return {"type": "string", "enum": ["first", "second", "tie"]}


def found(text: str, questions: Sequence[Question]) -> dict[str, Any]:
    """The object in the text that answers most of the questions; Unreadable where none does.

    What was thought aloud before (up to `</think>`) and what stands around the object is passed
    over.  For one question, a bare answer will do.  An object within one that is broken, and one
    of two that differ, may be a quotation from what is judged: neither is an answer.
    """
    if not text.lstrip().startswith(("{", "```")):  # in an object the mark is quoted
        text = text.rpartition("</think>")[2]
    names = {question.id for question in questions}
    best: dict[str, Any] = {}
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _decoder.raw_decode(text, at)
        except RecursionError:  # no answer is so deep, and each brace would cost as much again
            break
        except ValueError as error:
            if _BEGUN.match(text, at):
                raise Unreadable("the JSON object is broken") from error
            end = at + 1
        else:
            hits, most = len(names & value.keys()), len(names & best.keys())
            if hits and hits == most and any(value.get(n) != best.get(n) for n in names):
                raise Unreadable("there are two JSON objects, with different answers")
            best = value if hits > most else best
        at = text.find("{", end)
    if best:
        return best
    if len(names) == 1 and text.strip() and "{" not in text:
        return {next(iter(names)): text.strip()}
    raise Unreadable("there is no JSON object with the answers")


def read(
    completion: Completion,
    questions: Sequence[Question],
    before: Mapping[str, Answer] | None = None,
) -> tuple[dict[str, Answer], dict[str, str]]:
    """The answers that can be read, and why the others cannot; the judge's reason is their note.

    A question whose condition does not hold by the answers before it needs none: it is NOT_ASKED.
    What was answered `before` stands.
    """
    given = dict(before or {})
    wrong: dict[str, str] = {}
    try:
        said = found(completion.text, questions)
    except Unreadable as error:
        cut = {"length": " (it was cut off)", "content_filter": " (it was withheld)"}
        why = f"{error}{cut.get(completion.finish, '')}"
        return given, {q.id: why for q in questions if q.id not in given}
    reason = said.get("reason")
    note = (clean(reason).strip()[:KEPT] or None) if isinstance(reason, str) else None
    for question in [q for q in questions if q.id not in given]:
        try:
            if not applies(question, given):
                given[question.id] = NOT_ASKED
            elif question.id not in said:
                raise Unreadable(f'"{question.id}" is missing')
            else:
                given[question.id] = Answer(value(question, said[question.id]), note=note)
        except Unreadable as error:
            wrong[question.id] = str(error)
    return given, wrong


def value(question: Question, said: Any) -> Value:
    """What was said as a value of the question; Unreadable where it is none."""
    read = _READ[question.kind](question, said)
    if read is None:
        try:
            shown = clean(json.dumps(said, ensure_ascii=False, default=str))[:80]
        except RecursionError:
            shown = "too deep"
        raise Unreadable(f'"{question.id}" is {shown}')
    return read


def _yes_no(_question: Question, said: Any) -> Value | None:
    if isinstance(said, bool):
        return said
    first = _FIRST.match(said) if isinstance(said, str) else None
    return first[1].lower() in ("yes", "true") if first else None


def _one_of(question: Question, said: Any) -> Value | None:
    if said in question.options:
        return str(said)
    return {_plain(option): option for option in question.options}.get(_plain(said))


def _some_of(question: Question, said: Any) -> Value | None:
    if isinstance(said, str):
        whole = _one_of(question, said)
        said = [] if _plain(said) in ("", "none", "[]") and whole is None else said.split(",")
        said = said if whole is None else [whole]
    if isinstance(said, Mapping):
        held = {name: _yes_no(question, each) for name, each in said.items()}
        said = [name for name, each in held.items() if each is not False]
        if None in held.values():
            return None
    if not isinstance(said, list):
        return None
    named = {_one_of(question, name) for name in said}
    return None if None in named else tuple(o for o in question.options if o in named)


def _scale(question: Question, said: Any) -> Value | None:
    number = _number(question, said)
    return int(number) if number in question.levels and isinstance(number, float) else None


def _number(_question: Question, said: Any) -> Value | None:
    if isinstance(said, bool):
        return None
    try:
        number = float(said)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _preference(_question: Question, said: Any) -> Value | None:
    plain = _plain(said)
    return plain if plain in ("first", "second", "tie") else None


def _plain(said: Any) -> str:
    return said.strip().strip("\"'.`*").casefold() if isinstance(said, str) else "?"


_READ = {
    "yes-no": _yes_no,
    "one-of": _one_of,
    "some-of": _some_of,
    "scale": _scale,
    "number": _number,
    "preference": _preference,
}
