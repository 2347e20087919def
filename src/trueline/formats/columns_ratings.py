"""People's ratings in the columns of a table, as labels: the parts `label:` and `value:` of the
format `columns`.

`label:QUESTION@RATER=COLUMN` says whose answers to which question stand in a column, and
`value:QUESTION:CELL=VALUE` what a cell means, if it is not the value itself.  If the policy has a
question of that id, a value must be one of its answers, and its kind says how a cell is read.  The
words in which the raters were asked are not known, so that their labels share the question's id
and not its hash.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.formats.contract import ColumnMapping, Questions
from trueline.policy.answers import choices, format_value, why_invalid
from trueline.records.conversation import Malformed, unpack_cell
from trueline.records.types import Example, Label, LabellerId, Question, QuestionKind, Value

LABEL, VALUE = "label:", "value:"
_kinds: dict[type, QuestionKind] = {
    bool: "yes-no",
    int: "scale",
    float: "number",
    str: "one-of",
    tuple: "some-of",
}
About = Literal["prompt", "response", "pair"]
SIZES: dict[About, int] = {"prompt": 0, "response": 1, "pair": 2}
_words = {"true": True, "false": False, "yes": True, "no": False}


class Rating(Struct, frozen=True):
    """One column of ratings: whose, on which question (`asked`: the policy's, if it has one), and
    what its cells mean (`values` empty: themselves)."""

    column: str
    question: str
    rater: str
    values: dict[str, str]
    asked: Question | None = None


def parse_ratings(mapping: ColumnMapping, questions: Questions) -> list[Rating]:
    """The columns of ratings that a mapping names.

    Raises InputError if a part cannot be read, or if a `value:` gives an answer that its question
    does not have.
    """
    values: dict[str, dict[str, str]] = {}
    for part, (value, *_) in mapping.items():
        if part.startswith(VALUE):
            question, colon, cell = part.removeprefix(VALUE).partition(":")
            if not (question and colon and cell):
                raise InputError(f"--map {part}={value}: write it value:QUESTION:CELL=VALUE")
            values.setdefault(question, {})[cell] = value
    ratings = []
    for part, (column, *_) in mapping.items():
        if part.startswith(LABEL):
            question, at, rater = part.removeprefix(LABEL).partition("@")
            if not (question and at and rater):
                raise InputError(f"--map {part}={column}: write it label:QUESTION@RATER=COLUMN")
            cells = values.get(question, {})
            ratings.append(Rating(column, question, rater, cells, questions.get(question)))
    if idle := values.keys() - {rating.question for rating in ratings}:
        raise InputError(f"--map value:{min(idle)}:… has no --map label:{min(idle)}@RATER=COLUMN")
    for rating in ratings:
        for cell, text in rating.values.items():
            answer = _parse(rating, text)
            if rating.asked is not None and (why := why_invalid(rating.asked, answer)) is not None:
                raise InputError(f"--map value:{rating.question}:{cell}={text}: {why}")
    return ratings


def read_rating(example: Example, rating: Rating, cell: Any) -> Label | None:
    """The label in a cell, None if it is blank.

    It is about what the policy's question is about; if the policy has none, about the Example's
    only response, its pair, or without responses its prompt.  Raises Malformed for a cell that
    means nothing.
    """
    value = _read_value(rating, cell)
    if value is None:
        return None
    asked = rating.asked
    is_preference = value in ("first", "second", "tie")
    shape: About = "pair" if is_preference else "response" if example.responses else "prompt"
    if asked is not None:
        shape = asked.about
    about = tuple(range(len(example.responses))) if shape != "prompt" else ()
    if len(about) != SIZES[shape]:
        raise Malformed(
            f"a cell of {rating.column!r} is about one response, or as first, second or tie about "
            f"two, and there are {len(about)}: {str(value)[:40]!r}"
        )
    kind: QuestionKind = "preference" if is_preference else _kinds[type(value)]
    question = Question(
        id=rating.question,
        about=shape,
        kind=kind if asked is None else asked.kind,
        ask=f"imported: {rating.question}, in words that are not known",
    )
    return Label.new(example, question, about, LabellerId("imported", rating.rater), value=value)


def write_rating(example: Example, rating: Rating) -> Any:
    """The cell with the rater's last answer, None if there is none."""
    values = [
        label.value
        for label in example.labels
        if (label.question, label.by.name) == (rating.question, rating.rater)
        and label.value is not None
    ]
    if not values:
        return None
    cells = {_parse(rating, text): cell for cell, text in rating.values.items()}
    value = values[-1]
    if isinstance(value, tuple):
        return [cells.get(option, option) for option in value]
    return cells.get(value, value)


# ---- what a cell means -----------------------------------------------------------------------


def _read_value(rating: Rating, cell: Any) -> Value | None:
    """The answer in a cell, None if it is blank.  Raises Malformed if it is none."""
    if cell is None or cell != cell:
        return None
    if rating.asked is not None and rating.asked.kind == "some-of":
        cell = unpack_cell(cell, "[")
    if isinstance(cell, list):
        options = [option for option in cell if isinstance(option, str)]
        if len(options) < len(cell):
            raise Malformed(f"{rating.column!r} holds a list of other things than texts")
        value: Value = _in_order(rating, [rating.values.get(one, one) for one in options])
        text = ", ".join(options)
    else:
        text = str(cell).strip() if not isinstance(cell, bool) else str(cell).lower()
        if not text:
            return None
        if rating.values and text not in rating.values:
            raise _no_answer(rating, f"none of {', '.join(rating.values)}", text)
        value = _parse(rating, rating.values.get(text, text))
    if rating.asked is not None and why_invalid(rating.asked, value) is not None:
        answers = ", ".join(map(format_value, choices(rating.asked)))
        raise _no_answer(rating, f"none of {answers}" if answers else "no number", text)
    return value


def _no_answer(rating: Rating, what: str, text: str) -> Malformed:
    mend = f"--map value:{rating.question}:CELL=VALUE says what it means"
    return Malformed(f"a cell of {rating.column!r} is {what} ({mend}): {text[:40]!r}")


def _in_order(rating: Rating, options: list[str]) -> tuple[str, ...]:
    """The options in the order of the question, in which an answer names them."""
    order = rating.asked.options if rating.asked is not None else ()
    return tuple(sorted(options, key=order.index)) if set(options) <= set(order) else (*options,)


def _parse(rating: Rating, text: str) -> Value:
    """The answer that a text is: of the question's kind, or what it looks like."""
    kind = rating.asked.kind if rating.asked is not None else None
    if kind == "yes-no":
        return _words.get(text.lower(), text)
    if kind == "some-of":
        return (text,)
    if kind in ("one-of", "preference"):
        return text
    if kind is None and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        # pandas makes floats of whole numbers if the column has gaps
        return int(value) if kind == "scale" and float(value).is_integer() else value
    return text
