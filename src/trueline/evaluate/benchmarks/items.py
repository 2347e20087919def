"""Rows of a benchmark's data as Examples: one item each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from trueline.evaluate.benchmarks import data
from trueline.evaluate.benchmarks.benchmark import Benchmark, Item
from trueline.evaluate.benchmarks.data import Found
from trueline.evaluate.benchmarks.expressions import Unfit, reader
from trueline.files.errors import InputError
from trueline.files.hashing import digest, text_digest
from trueline.files.rows import Row
from trueline.files.text import BadRow
from trueline.records.store.validate import new_reject, reject_bad_row
from trueline.records.types import (
    Choice,
    Code,
    Constraint,
    Constraints,
    Example,
    Hierarchy,
    Message,
    Reference,
    Reject,
    Source,
    Task,
)

TAG = "benchmark"
MOST_OPTIONS = 26
PLACEHOLDER = "<<<REPLACE THIS WITH YOUR ATTACK>>>"
"""Where the attack of a hierarchy task belongs (arXiv 2603.10521); no item's prompt may hold it."""


class Items(NamedTuple):
    """A benchmark's items, those rows that could not be any, and the file they are from; `hash` is
    over all files that they were made from, `passed` counts the rows that `where` passes over."""

    found: Found
    examples: list[Example]
    rejects: list[Reject]
    hash: str
    passed: int


def items(
    one: Benchmark, folder: Path | None, limit: int | None = None, *, fetch: bool = True
) -> Items:
    """The items of a benchmark; where there is a limit, so many, drawn by their contents, so that
    every model gets the same.

    Raises `data.Absent` where the data are not here, and InputError where they are not what they
    should be, or where no row of them is an item.
    """
    found = data.find(one, folder, fetch=fetch)
    files, pairs = [found], data.read(found)
    if one.cross is not None:
        second = data.crossed(one, one.cross, folder)
        files.append(second)
        pairs = _crossed(pairs, list(data.read(second)), one.cross.each)
    make = _maker(one, found)
    examples, rejects, seen, passed = [], list[Reject](), Counter[str](), 0
    for row in pairs:
        made = reject_bad_row(row) if isinstance(row, BadRow) else make(row, seen)
        if isinstance(made, Reject):
            rejects.append(made)
        elif made is None:
            passed += 1
        else:
            examples.append(made)
    if not examples:
        why = f"; the first: {rejects[0].message}" if rejects else ""
        raise InputError(f"{one.name}: no row of {found.path} is an item{why}")
    for file in files:
        data.pin(file)
    most = min(n for n in (limit, one.sample, len(examples)) if n is not None)
    if most < len(examples):
        drawn = set(sorted((e.id for e in examples), key=text_digest)[:most])
        examples = [e for e in examples if e.id in drawn]
    return Items(found, examples, rejects, digest([file.sha256 for file in files]), passed)


def _crossed(
    first: Iterator[Row | BadRow], second: list[Row | BadRow], each: int
) -> Iterator[Row | BadRow]:
    """Every row with `each` of the second file's, which are drawn by the contents of both."""
    others = [(digest(row.fields), row) for row in second if isinstance(row, Row)]
    yield from (row for row in second if isinstance(row, BadRow))
    for row in first:
        if isinstance(row, BadRow):
            yield row
            continue
        mine = digest(row.fields)
        order = sorted(others, key=lambda other: text_digest(mine + other[0]))
        for _, other in order[:each]:
            fields = row.fields | {"other": other.fields}
            yield msgspec.structs.replace(row, fields=fields)


def _maker(one: Benchmark, found: Found) -> Callable[[Row, Counter[str]], Example | Reject | None]:
    """What makes an item of a row, or a Reject, or nothing where `where` leaves the row out."""
    given = msgspec.structs.asdict(one.item) | found.place.item
    item = msgspec.convert(given, Item)
    read = {
        name: reader(text, f"{one.name}: item.{name}")
        for name, text in msgspec.structs.asdict(item).items()
        if isinstance(text, str)
    }
    tags = {key: reader(text, f"{one.name}: item.tags.{key}") for key, text in item.tags.items()}
    conditions = [
        reader(text, f"{one.name}: where")
        for text in (one.where, found.place.where)
        if text is not None
    ]

    def make(row: Row, seen: Counter[str]) -> Example | Reject | None:
        try:
            if not all(condition(row.fields) for condition in conditions):
                return None
            values = {name: get(row.fields) for name, get in read.items()}
            marks = {key: str(get(row.fields)) for key, get in tags.items()}
            return _example(one, row, values, marks, seen)
        except Unfit as error:
            return new_reject("item", str(error), row.fields, row.file, row.number)

    return make


def _example(
    one: Benchmark, row: Row, values: dict[str, Any], marks: dict[str, str], seen: Counter[str]
) -> Example:
    prompt, task = _prompt(one, values), _task(one, values)
    tags = [f"{TAG}:{one.name}", *(f"{key}:{value}" for key, value in marks.items())]
    if (cluster := values.get("cluster")) is not None:
        tags.append(f"cluster:{cluster}")
    source = Source(f"{one.name} ({row.file.name})", license=one.license, row=row.number)
    made = Example.new(prompt, task=task, source=source, tags=tags)
    seen[made.id] += 1
    if seen[made.id] > 1:
        made = Example.new(
            prompt, task=task, source=source, tags=tags, occurrence=seen[made.id] - 1
        )
    return made


def _prompt(one: Benchmark, values: dict[str, Any]) -> list[Message]:
    system = "\n\n".join(_text(t) for t in (one.ask.system, values.get("system")) if t is not None)
    found = [Message("system", system)] if system else []
    if values.get("developer") is not None:
        found.append(Message("developer", _text(values["developer"])))
    turns = values["turns"] if "turns" in values else [values["prompt"]]
    if not isinstance(turns, (list, tuple)) or not turns:
        raise Unfit(f"turns is no list of texts: {turns!r:.80}")
    for turn in turns:
        if isinstance(turn, Message):
            found.append(turn)
        elif isinstance(turn, dict):
            try:
                found.append(msgspec.convert(turn, Message))
            except msgspec.ValidationError as error:
                raise Unfit(f"a turn is no message: {error}") from error
        else:
            found.append(Message("user", _text(turn)))
    if not any(m.content.strip() for m in found if m.role == "user"):
        raise Unfit("the prompt is blank")
    return found


def _task(one: Benchmark, values: dict[str, Any]) -> Task | None:
    if "options" in values:
        options = tuple(_text(option) for option in _list(values["options"], "options"))
        return _choice(options, values.get("gold"))
    if "answers" in values:
        answers = tuple(_text(answer) for answer in _list(values["answers"], "answers"))
        if not any(answer.strip() for answer in answers):
            raise Unfit("there is no accepted answer")
        return Reference(answers)
    if "tests" in values:
        entry = values.get("entry_point")
        return Code(_text(values["tests"]), None if entry is None else _text(entry))
    if "rules" in values:
        return Constraints(tuple(_rule(rule) for rule in _list(values["rules"], "rules")))
    if "grader" in values:
        return Hierarchy(PLACEHOLDER, "system", "user", _text(values["grader"]))
    return None


def _choice(options: tuple[str, ...], gold: Any) -> Choice:
    if not 2 <= len(options) <= MOST_OPTIONS:
        raise Unfit(f"a choice has 2 to {MOST_OPTIONS} options, not {len(options)}")
    if not all(option.strip() for option in options):
        raise Unfit("an option is blank")
    if isinstance(gold, str):
        if gold not in options:
            raise Unfit(f"gold is a text, and none of the options: {gold!r:.80}")
        gold = options.index(gold)
    if isinstance(gold, bool) or not isinstance(gold, int) or not 0 <= gold < len(options):
        raise Unfit(f"gold is to be an index of {len(options)} options, not {gold!r:.40}")
    return Choice(options, gold)


def _rule(given: Any) -> Constraint:
    try:
        rule, needs = given
        held = {k: v for k, v in dict(needs or {}).items() if v is not None}
        return msgspec.convert({"rule": rule, "needs": held}, Constraint)
    except (TypeError, ValueError) as error:
        raise Unfit(f"a rule is a name and what it needs, not {given!r:.80}: {error}") from error


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise Unfit(f"{name} is no list: {value!r:.80}")
    return list(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise Unfit(f"expected a text, not {value!r:.80}")
