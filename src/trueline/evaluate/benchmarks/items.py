"""Rows of a benchmark's data as Examples: one item each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from trueline.evaluate.benchmarks import data
from trueline.evaluate.benchmarks.benchmark import Benchmark, Item
from trueline.evaluate.benchmarks.data import DataFile
from trueline.evaluate.benchmarks.expressions import InvalidRow, Read, compile_expression
from trueline.files.errors import InputError
from trueline.files.hashing import digest, text_digest
from trueline.files.rows import Row
from trueline.files.text import BadRow
from trueline.policy.check import question_problems
from trueline.records.occurrences import Occurrences
from trueline.records.store.validate import new_reject, reject_bad_row
from trueline.records.types import (
    Choice,
    Code,
    Constraint,
    Constraints,
    Example,
    Hierarchy,
    Message,
    Question,
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
    """A benchmark's items, the rows that could not be any, and the file that they are from.

    `data_hash` is over all files that they were made from; `filtered_rows` counts the rows that
    the benchmark's `where` leaves out.
    """

    file: DataFile
    examples: list[Example]
    rejects: list[Reject]
    data_hash: str
    filtered_rows: int


def read_items(
    benchmark: Benchmark, folder: Path | None, limit: int | None = None, *, fetch: bool = True
) -> Items:
    """The items of a benchmark; at most `limit`, drawn by their contents, so that every model gets
    the same.

    Raises MissingData if the data are not here, and InputError if they are not what they should
    be, or if no row of them is an item.
    """
    file = data.find_data(benchmark, folder, fetch=fetch)
    files, source_rows = [file], data.read_rows(file)
    if benchmark.cross is not None:
        second = data.find_crossed(benchmark, benchmark.cross, folder)
        files.append(second)
        source_rows = _cross(source_rows, list(data.read_rows(second)), benchmark.cross.each)
    make_item = _item_maker(benchmark, file)
    examples, rejects, filtered_rows = [], list[Reject](), 0
    for row in source_rows:
        item = reject_bad_row(row) if isinstance(row, BadRow) else make_item(row)
        if isinstance(item, Reject):
            rejects.append(item)
        elif item is None:
            filtered_rows += 1
        else:
            examples.append(item)
    if not examples:
        why = f"; the first: {rejects[0].message}" if rejects else ""
        raise InputError(f"{benchmark.name}: no row of {file.path} is an item{why}")
    for each in files:
        data.pin_hash(each)
    most = min(n for n in (limit, benchmark.sample, len(examples)) if n is not None)
    if most < len(examples):
        drawn = set(sorted((e.id for e in examples), key=text_digest)[:most])
        examples = [e for e in examples if e.id in drawn]
    data_hash = digest([each.sha256 for each in files])
    return Items(file, examples, rejects, data_hash, filtered_rows)


def _cross(
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


def _item_maker(benchmark: Benchmark, file: DataFile) -> Callable[[Row], Example | Reject | None]:
    """A function that makes an item of a row, a Reject, or nothing if `where` leaves it out."""
    item = msgspec.convert(msgspec.structs.asdict(benchmark.item) | file.source.item, Item)

    def compile_field(text: str, field: str) -> Read:
        return compile_expression(text, f"{benchmark.name}: {field}")

    fields = {
        name: compile_field(text, f"item.{name}")
        for name, text in msgspec.structs.asdict(item).items()
        if isinstance(text, str)
    }
    tags = {key: compile_field(text, f"item.tags.{key}") for key, text in item.tags.items()}
    conditions = [
        compile_field(text, "where")
        for text in (benchmark.where, file.source.where)
        if text is not None
    ]

    occurrences = Occurrences()

    def make_item(row: Row) -> Example | Reject | None:
        try:
            if not all(condition(row.fields) for condition in conditions):
                return None
            values = {name: read(row.fields) for name, read in fields.items()}
            marks = {key: str(read(row.fields)) for key, read in tags.items()}
            return occurrences.distinguish(_example(benchmark, row, values, marks))
        except InvalidRow as error:
            return new_reject("item", str(error), row.fields, row.file, row.number)

    return make_item


def _example(one: Benchmark, row: Row, values: dict[str, Any], marks: dict[str, str]) -> Example:
    prompt, task = _prompt(one, values), _task(one, values)
    tags = [f"{TAG}:{one.name}", *(f"{key}:{value}" for key, value in marks.items())]
    if (cluster := values.get("cluster")) is not None:
        tags.append(f"cluster:{cluster}")
    source = Source(f"{one.name} ({row.file.name})", license=one.license, row=row.number)
    own = _own_questions(one, _list(values.get("questions", ()), "questions"))
    return Example.new(prompt, task=task, questions=own, source=source, tags=tags)


def _prompt(one: Benchmark, values: dict[str, Any]) -> list[Message]:
    system = "\n\n".join(_text(t) for t in (one.ask.system, values.get("system")) if t is not None)
    found = [Message("system", system)] if system else []
    if values.get("developer") is not None:
        found.append(Message("developer", _text(values["developer"])))
    turns = values["turns"] if "turns" in values else [values["prompt"]]
    if not isinstance(turns, (list, tuple)) or not turns:
        raise InvalidRow(f"turns is no list of texts: {turns!r:.80}")
    for turn in turns:
        if isinstance(turn, Message):
            found.append(turn)
        elif isinstance(turn, dict):
            try:
                found.append(msgspec.convert(turn, Message))
            except msgspec.ValidationError as error:
                raise InvalidRow(f"a turn is no message: {error}") from error
        else:
            found.append(Message("user", _text(turn)))
    if not any(m.content.strip() for m in found if m.role == "user"):
        raise InvalidRow("the prompt is blank")
    return found


def _task(one: Benchmark, values: dict[str, Any]) -> Task | None:
    if "options" in values:
        options = tuple(_text(option) for option in _list(values["options"], "options"))
        return _choice(options, values.get("gold"))
    if "answers" in values:
        answers = tuple(_text(answer) for answer in _list(values["answers"], "answers"))
        if not any(answer.strip() for answer in answers):
            raise InvalidRow("there is no accepted answer")
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
        raise InvalidRow(f"a choice has 2 to {MOST_OPTIONS} options, not {len(options)}")
    if not all(option.strip() for option in options):
        raise InvalidRow("an option is blank")
    if isinstance(gold, str):
        if gold not in options:
            raise InvalidRow(f"gold is a text, and none of the options: {gold!r:.80}")
        gold = options.index(gold)
    if isinstance(gold, bool) or not isinstance(gold, int) or not 0 <= gold < len(options):
        raise InvalidRow(f"gold is to be an index of {len(options)} options, not {gold!r:.40}")
    return Choice(options, gold)


def _rule(given: Any) -> Constraint:
    try:
        rule, needs = given
        held = {k: v for k, v in dict(needs or {}).items() if v is not None}
        return msgspec.convert({"rule": rule, "needs": held}, Constraint)
    except (TypeError, ValueError) as error:
        raise InvalidRow(
            f"a rule is a name and what it needs, not {given!r:.80}: {error}"
        ) from error


def _own_questions(one: Benchmark, given: list[Any]) -> list[Question]:
    questions: list[Question] = []
    taken = {metric.question for metric in one.metric}
    for fields in given:
        try:
            question = msgspec.convert({"about": "response", "kind": "yes-no"} | fields, Question)
        except (TypeError, msgspec.ValidationError) as error:
            raise InvalidRow(f"a question of its own is none: {error}") from error
        for key, why in question_problems(question):
            raise InvalidRow(f"its own question {question.id!r}, {key}: {why}")
        if question.id in taken:
            raise InvalidRow(f"its own question {question.id!r} has the id of another one")
        taken.add(question.id)
        questions.append(question)
    return questions


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise InvalidRow(f"{name} is no list: {value!r:.80}")
    return list(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise InvalidRow(f"expected a text, not {value!r:.80}")
