"""People's ratings in the columns of a table, as labels: the parts `label:` and `value:` of the
format `columns`.

`label:QUESTION@RATER=COLUMN` says whose answers to which question stand in a column, and
`value:QUESTION:CELL=VALUE` what a cell means, where it is not the value itself.  What the raters
were asked is not known, so that their labels share the question's id and not its hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.records.conversation import Malformed
from trueline.records.types import Example, Label, LabellerId, Question, QuestionKind, Value

LABEL, VALUE = "label:", "value:"
_kinds: dict[type, QuestionKind] = {
    bool: "yes-no",
    int: "scale",
    float: "number",
    str: "one-of",
    tuple: "some-of",
}


class Rating(Struct, frozen=True):
    """One column of ratings: whose, on which question, and what its cells mean (`values` empty:
    themselves)."""

    column: str
    question: str
    rater: str
    values: dict[str, str]


def ratings(mapping: Mapping[str, Sequence[str]]) -> list[Rating]:
    """The columns of ratings that a mapping names; InputError where one cannot be read."""
    values: dict[str, dict[str, str]] = {}
    for part, (value, *_) in mapping.items():
        if part.startswith(VALUE):
            question, colon, cell = part.removeprefix(VALUE).partition(":")
            if not (question and colon and cell):
                raise InputError(f"--map {part}={value}: write it value:QUESTION:CELL=VALUE")
            values.setdefault(question, {})[cell] = value
    found = []
    for part, (column, *_) in mapping.items():
        if part.startswith(LABEL):
            question, at, rater = part.removeprefix(LABEL).partition("@")
            if not (question and at and rater):
                raise InputError(f"--map {part}={column}: write it label:QUESTION@RATER=COLUMN")
            found.append(Rating(column, question, rater, values.get(question, {})))
    if idle := values.keys() - {rating.question for rating in found}:
        raise InputError(f"--map value:{min(idle)}:… has no --map label:{min(idle)}@RATER=COLUMN")
    return found


def rated(example: Example, rating: Rating, cell: Any) -> Label | None:
    """The label in a cell, about the Example's only response, its pair, or without responses its
    prompt; None where the cell is blank.  Raises Malformed for a cell that means nothing."""
    value = _value(rating, cell)
    if value is None:
        return None
    about = tuple(range(len(example.responses)))
    pair = value in ("first", "second", "tie")
    if len(about) > 2 or pair != (len(about) == 2):
        raise Malformed(
            f"a cell of {rating.column!r} is about one response, or as first, second or tie about "
            f"two, and there are {len(about)}: {str(value)[:40]!r}"
        )
    question = Question(
        id=rating.question,
        about="pair" if pair else "response" if about else "prompt",
        kind="preference" if pair else _kinds[type(value)],
        ask=f"imported: {rating.question}, in words that are not known",
    )
    return Label.new(example, question, about, LabellerId("imported", rating.rater), value=value)


def _value(rating: Rating, cell: Any) -> Value | None:
    if cell is None or cell != cell:
        return None
    if isinstance(cell, list):
        named = [option for option in cell if isinstance(option, str)]
        if len(named) < len(cell):
            raise Malformed(f"{rating.column!r} holds a list of other things than texts")
        return tuple(rating.values.get(option, option) for option in named)
    text = str(cell).strip() if not isinstance(cell, bool) else str(cell).lower()
    if not text:
        return None
    if rating.values and text not in rating.values:
        known = ", ".join(rating.values)
        raise Malformed(
            f"a cell of {rating.column!r} is none of {known}: {text[:40]!r}, add --map "
            f"value:{rating.question}:CELL=VALUE"
        )
    return _plain(rating.values.get(text, text))


def _plain(text: str) -> Value:
    """The value that a text is: true, false, a whole number, a number, or itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
