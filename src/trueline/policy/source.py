"""A policy file taken apart: every table read on its own, so that all that is wrong is found."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from trueline.policy.types import Category, Crosswalk, Follows, Never
from trueline.records.types import Question

S = TypeVar("S", bound=Struct)

KEYS = ("extends", "question", "never", "follows", "category", "crosswalk")
CATEGORIES = "categories"
"""Stands for `options` in a question whose options are the categories, with their meaning."""


class PolicySource:
    """What a file says, over what it extends; `wrong` is what could not be read.

    `questions` are fields by id, because options may stand for the categories; a table that could
    not be read is left out.  `own` are the ids that the file itself brings, `broken` those of
    them that could not be read.
    """

    def __init__(self, raw: dict[str, Any], base: PolicySource | None) -> None:
        self.wrong: list[str] = []
        self.own: set[str] = set()
        self.broken: set[str] = set()
        self.questions: dict[str, dict[str, Any]] = dict(base.questions) if base else {}
        self.wrong += [f"{key}: {describe_unknown(key, KEYS)}" for key in raw.keys() - set(KEYS)]
        if raw.get("extends", "default") not in ("default", "none"):
            self.wrong.append('extends: write "default" or "none"')
        self._questions(raw)
        self.own_never = tuple(self._read_list(raw, "never", Never))
        self.own_follows = tuple(self._read_list(raw, "follows", Follows))
        self.own_categories = dict(self._read_named(raw, "category", Category))
        self.own_crosswalks = dict(self._read_named(raw, "crosswalk", Crosswalk))
        self.never: tuple[Never, ...] = (base.never if base else ()) + self.own_never
        self.follows: tuple[Follows, ...] = (base.follows if base else ()) + self.own_follows
        self.categories: dict[str, Category] = {
            **(base.categories if base else {}),
            **self.own_categories,
        }
        self.crosswalks: dict[str, Crosswalk] = {
            **(base.crosswalks if base else {}),
            **self.own_crosswalks,
        }

    def _questions(self, raw: dict[str, Any]) -> None:
        for number, table in enumerate(self._tables(raw, "question"), 1):
            id = table.get("id")
            place = f"question {id!r}" if isinstance(id, str) else f"question number {number}"
            if isinstance(id, str) and id in self.own:
                self.wrong.append(f"{place}: stands there twice")
                continue
            meant = table.get("options") == CATEGORIES
            plain = {k: v for k, v in table.items() if not (meant and k == "options")}
            fields, wrong = read_table(Question, plain)
            self.wrong += [f"{place}, {problem}" for problem in wrong]
            if isinstance(id, str):
                self.own.add(id)
                if wrong:
                    self.broken.add(id)
                    self.questions.pop(id, None)
                else:
                    self.questions[id] = fields | ({"options": CATEGORIES} if meant else {})

    def _read_list(self, raw: dict[str, Any], key: str, kind: type[S]) -> Iterator[S]:
        for number, table in enumerate(self._tables(raw, key), 1):
            yield from self._struct(kind, table, f"{key} number {number}")

    def _read_named(self, raw: dict[str, Any], key: str, kind: type[S]) -> Iterator[tuple[str, S]]:
        tables = raw.get(key, {})
        if not isinstance(tables, dict):
            self.wrong.append(f'{key}: write each as a table [{key}."NAME"]')
            return
        for name, table in tables.items():
            if not isinstance(table, dict):
                self.wrong.append(f'{key} {name!r}: write it as a table [{key}."{name}"]')
                continue
            for record in self._struct(kind, table, f"{key} {name!r}"):
                yield name, record

    def _struct(self, kind: type[S], table: dict[str, Any], place: str) -> Iterator[S]:
        fields, wrong = read_table(kind, table)
        self.wrong += [f"{place}, {problem}" for problem in wrong]
        if not wrong:
            yield kind(**fields)

    def _tables(self, raw: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
        tables = raw.get(key, [])
        if isinstance(tables, list) and all(isinstance(table, dict) for table in tables):
            yield from tables
        else:
            self.wrong.append(f"{key}: write each as a table [[{key}]]")


def read_table(kind: type[Struct], table: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A table's fields as the Struct has them, and what is wrong with it, field by field."""
    hints = _hints(kind)
    fields: dict[str, Any] = {}
    wrong = [f"{key}: {describe_unknown(key, hints)}" for key in table if key not in hints]
    for field in msgspec.structs.fields(kind):
        if field.name not in table:
            if field.required:
                wrong.append(f"{field.name}: is missing")
            continue
        fields[field.name], amiss = _converted(table[field.name], hints[field.name])
        wrong += [f"{field.name}{where}: {why}" for where, why in amiss]
    return fields, wrong


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _converted(value: Any, kind: Any) -> tuple[Any, list[tuple[str, str]]]:
    """A value as its type wants it, and what is wrong inside it, by place; of a table, every
    entry on its own, for msgspec does not say which."""
    if typing.get_origin(kind) is dict and isinstance(value, dict):
        entries = {key: _converted(entry, typing.get_args(kind)[1]) for key, entry in value.items()}
        wrong = [
            (f"[{key!r}]{at}", why) for key, (_, amiss) in entries.items() for at, why in amiss
        ]
        return {key: entry for key, (entry, _) in entries.items()}, wrong
    try:
        return msgspec.convert(value, kind), []
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `")
        why = why.replace("`", "").replace(" | null", "").replace("object", "table")
        return None, [(where.strip("$`"), f"{why[:1].lower()}{why[1:]}")]


def describe_unknown(name: str, known: Iterable[str]) -> str:
    """That there is nothing of this name, and what may have been meant."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"is unknown here{f' (did you mean {close[0]}?)' if close else ''}"
