"""Expressions over a row's columns, as benchmarks are written: Jinja's, in its sandbox.

Beside Jinja's own filters there are `mixed(question)` (options in an order of which the right one
has no part), `zip` (two lists, side by side), `words` (those texts that have a letter or a digit),
`digest` (of a text: a short name for a cluster) and `transcript` (turns of `Human:` and
`Assistant:` as messages).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from trueline.files.errors import InputError
from trueline.files.hashing import digest, text_digest
from trueline.formats.kinds.hh_rlhf import parse_transcript
from trueline.records.conversation import Malformed
from trueline.records.types import Message

Read = Callable[[dict[str, Any]], Any]


class InvalidRow(Exception):
    """Why a row cannot be an item."""


class _Environment(ImmutableSandboxedEnvironment):
    """Without what could take for ever, whoever wrote the file: statements, `*` and `**`."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        raise InvalidRow(f"{operator} is not for expressions here")


_environment = _Environment(undefined=StrictUndefined, keep_trailing_newline=True)


def compile_expression(text: str, named: str) -> Read:
    """A function from a row's columns to what the expression (a template, if it holds `{{`) gives.

    Raises InputError if it is no expression; the function raises InvalidRow if a row lacks a column
    that it names.
    """
    if "{%" in text:
        raise InputError(f"{named} holds {{%: a template may hold expressions, no statements")
    try:
        if "{{" in text:
            get: Any = _environment.from_string(text).render
        else:
            get = _environment.compile_expression(text, undefined_to_none=False)
    except TemplateError as error:
        raise InputError(f"{named} = {text!r} is no expression: {error}") from error

    def read(fields: dict[str, Any]) -> Any:
        try:
            value = get(fields | {"row": fields})
        except Exception as error:
            raise InvalidRow(f"{named} = {text!r} cannot be read in this row: {error}") from error
        if isinstance(value, Undefined):
            had = ", ".join(map(repr, fields))
            raise InvalidRow(f"{named} = {text!r} is not in this row, which has {had}")
        return value

    return read


def mixed(options: Iterable[Any], question: str) -> list[Any]:
    """The options in an order that depends on their texts and the question's alone: over many
    questions the right one has no place of its own, even where the options are always the same."""
    return sorted(options, key=lambda option: digest([str(option), question]))


def beside(first: Iterable[Any], second: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Two lists of one length, side by side."""
    return list(zip(first, second, strict=True))


def words(texts: Iterable[str]) -> list[str]:
    """The texts that have a letter or a digit, each once: no other answer can be recognised."""
    return [text for text in dict.fromkeys(texts) if any(map(str.isalnum, text))]


def transcript(text: str) -> tuple[Message, ...]:
    """The turns of a transcript in HH-RLHF's form."""
    try:
        return parse_transcript(text, "transcript")
    except Malformed as error:
        raise InvalidRow(str(error)) from error


_environment.filters |= {
    "mixed": mixed,
    "zip": beside,
    "words": words,
    "digest": text_digest,
    "transcript": transcript,
}
