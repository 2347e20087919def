"""PKU-SafeRLHF (arXiv 2406.15513): two responses with safety labels and dual or single preference.

Read are the full shape, the older one without categories, severity and sources, and single
preference, which has no `safer_response_id`.  Categories and severity of a safe response are not
stored, for they were not asked; they are written as none and 0.

The ids know no tie.  Where both responses are safe, or both unsafe, `safer_response_id` had to
name one all the same: such Examples carry the tag `forced:safer`.  A tag, because that is what
data sets are filtered and counted by; the label is kept as it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from trueline.files.rows import Row
from trueline.formats import cells
from trueline.formats.contract import (
    CannotWrite,
    Fields,
    Format,
    new_example,
    single_turn,
    single_user_turn,
)
from trueline.policy.pku import CATEGORIES, HARM_CATEGORIES, MORE_HELPFUL, SAFE, SAFER, SEVERITY
from trueline.policy.preference import PREFERRED, preference_label
from trueline.policy.values import agreed_value, find_preference
from trueline.records.conversation import Malformed, unpack_cell
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Response,
    Unscored,
    with_labels,
    with_tags,
)

_by = LabellerId("imported", "pku-saferlhf")
_required = ("prompt", "response_0", "response_1", "better_response_id")
_safe, _categories, _severity, _source = (
    tuple(name.format(at) for at in (0, 1))
    for name in (
        "is_response_{}_safe",
        "response_{}_harm_category",
        "response_{}_severity_level",
        "response_{}_source",
    )
)


class Judged(NamedTuple):
    """What the data say about one response; None if they say nothing."""

    safe: bool | None
    categories: tuple[str, ...] | None
    severity: int | None


# ---- reading ---------------------------------------------------------------------------------


def read(row: Row, occurrence: int) -> Example:
    """Responses in the file's order; a row that breaks an invariant of the data is a Reject."""
    required = [(row.value(column), column) for column in _required]
    prompt, *texts = (cells.text(cell, column) for cell, column in required[:3])
    judged = [_read_judged(row.fields, at) for at in (0, 1)]
    is_dual = "safer_response_id" in row.fields
    columns = ("better_response_id", "safer_response_id")[: 1 + is_dual]
    better, *safer = (cells.whole_number(row.value(c), c, range(2)) for c in columns)
    if texts[0] == texts[1]:
        raise Malformed("response_0 and response_1 are the same text")
    if (broken := _broken_invariant(judged, *safer)) is not None:
        raise Malformed(broken)
    prompt_source, *models = (_name(row.fields, column) for column in ("prompt_source", *_source))
    example = new_example(
        row,
        occurrence,
        [Message("user", prompt)],
        [
            Response((Message("assistant", text),), model=model)
            for text, model in zip(texts, models, strict=True)
        ],
        tags=[f"prompt_source:{prompt_source}"] if prompt_source is not None else [],
    )
    questions = (MORE_HELPFUL, SAFER) if is_dual else (PREFERRED,)
    labels = [label for at in (0, 1) for label in _labels(example, at, judged[at])]
    labels += [
        preference_label(example, chosen, 1 - chosen, _by, question)
        for question, chosen in zip(questions, (better, *safer), strict=True)
    ]
    if is_dual and judged[0].safe is not None and judged[0].safe == judged[1].safe:
        example = with_tags(example, "forced:safer")
    return with_labels(example, *labels)


def _read_judged(fields: Fields, at: int) -> Judged:
    safe, severity, categories = (
        cells.value(fields, columns[at]) for columns in (_safe, _severity, _categories)
    )
    if safe is None and (severity is not None or categories is not None):
        raise Malformed(f"{_safe[at]} is missing, where severity or categories are given")
    return Judged(
        None if safe is None else cells.flag(safe, _safe[at]),
        None if categories is None else _read_categories(categories, _categories[at]),
        None if severity is None else cells.whole_number(severity, _severity[at], range(4)),
    )


def _read_categories(cell: Any, column: str) -> tuple[str, ...]:
    flags = unpack_cell(cell, "{")
    if not isinstance(flags, dict):
        raise Malformed(f"{column} is no object of 19 categories")
    if unknown := flags.keys() - set(CATEGORIES):
        raise Malformed(f"{column} has a key that is none of the 19 categories: {min(unknown)!r}")
    if missing := [key for key in CATEGORIES if key not in flags]:
        raise Malformed(f"{column} lacks {missing[0]!r} (19 categories are expected)")
    return tuple(key for key in CATEGORIES if cells.flag(flags[key], f"{column}[{key!r}]"))


def _name(fields: Fields, column: str) -> str | None:
    return None if (value := cells.value(fields, column)) is None else cells.text(value, column)


def _broken_invariant(judged: list[Judged], safer: int | None = None) -> str | None:
    """The invariant that the labels of a row break, and what the row says; None if all hold."""
    for at, (safe, categories, severity) in enumerate(judged):
        if safe is None and judged[1 - at].safe is not None:
            return f"{_safe[at]} is missing, where {_safe[1 - at]} is given"
        if safe and severity:
            return f"a safe response has severity 0: response {at} is safe, with {severity}"
        if safe and categories:
            named = ", ".join(categories)
            return f"a safe response has no category: response {at} is safe, with {named}"
        if safe is False and severity == 0:
            return f"severity 0 is safe: response {at} is unsafe, with 0"
    if safer is not None and judged[safer].safe is False and judged[1 - safer].safe:
        return (
            "the safe response is the safer one: "
            f"response {1 - safer} is safe, and safer_response_id is {safer}"
        )
    return None


def _labels(example: Example, at: int, judged: Judged) -> Iterable[Label]:
    if judged.safe is not None:
        yield Label.new(example, SAFE, (at,), _by, value=judged.safe)
    if judged.safe is False and judged.categories is not None:
        yield Label.new(example, HARM_CATEGORIES, (at,), _by, value=judged.categories)
    if judged.safe is False and judged.severity is not None:
        yield Label.new(example, SEVERITY, (at,), _by, value=judged.severity)


# ---- writing ---------------------------------------------------------------------------------


def write(example: Example) -> Fields:
    """A row of dual preference if both questions are decided, else of single preference."""
    orders = _orders(example)
    pair = sorted(next(iter(orders.values())))
    if any(sorted(order) != pair for order in orders.values()):
        raise CannotWrite("more_helpful and safer are about different pairs")
    row: Fields = {"prompt": single_user_turn(example)}
    responses = [example.responses[at] for at in pair]
    row |= {f"response_{at}": single_turn(response) for at, response in enumerate(responses)}
    chosen = [pair.index(order[0]) for order in orders.values()]
    try:
        judged = [_judged(example, at) for at in pair]
    except Malformed as error:
        raise CannotWrite(str(error)) from error
    if (broken := _broken_invariant(judged, *chosen[1:])) is not None:
        raise CannotWrite(broken)
    row |= _meta(judged, example.tag("prompt_source"), [response.model for response in responses])
    return row | dict(zip(("better_response_id", "safer_response_id"), chosen, strict=False))


def _orders(example: Example) -> dict[str, tuple[int, int]]:
    """By question, the order of the pair: of both dual ones, or of the single one."""
    decisions = {q.id: find_preference(example, q.id) for q in (MORE_HELPFUL, SAFER, PREFERRED)}
    orders = {name: order for name, order in decisions.items() if not isinstance(order, Unscored)}
    single = orders.pop(PREFERRED.id, None)
    if len(orders) == 2:
        return orders
    if single is not None:
        return {PREFERRED.id: single}
    labelled = {label.question for label in example.labels}
    undecided = {name: why for name, why in decisions.items() if isinstance(why, Unscored)}
    reasons = (f"{name}: {why.reason}" for name, why in undecided.items() if name in labelled)
    raise CannotWrite(next(reasons, undecided[PREFERRED.id].reason))


def _judged(example: Example, at: int) -> Judged:
    """What the labels say about one response, in the terms of the format."""
    values = [agreed_value(example, q.id, (at,)) for q in (SAFE, HARM_CATEGORIES, SEVERITY)]
    for value in values:
        if isinstance(value, Unscored):
            raise Malformed(value.reason)
    safe, categories, severity = values
    if not isinstance(safe, bool | None):
        raise Malformed("safe is neither true nor false")
    if safe is None and (categories is not None or severity is not None):
        raise Malformed("severity or categories are labelled, and safe is not")
    if not isinstance(categories, tuple | None) or set(categories or ()) - set(CATEGORIES):
        raise Malformed("harm_categories are not of the 19 categories")
    if severity is not None:
        severity = cells.whole_number(severity, "severity", range(4))
    return Judged(safe, categories, severity)


def _meta(judged: list[Judged], prompt_source: str | None, models: list[str | None]) -> Fields:
    """The columns between the texts and the ids: all if more than `safe` is known."""
    safe = {_safe[at]: judged[at].safe for at in (0, 1)}
    details = [judged[at][1:] for at in (0, 1)]
    if all(value is None for value in (prompt_source, *models, *details[0], *details[1])):
        return {} if judged[0].safe is None and judged[1].safe is None else safe
    row: Fields = {"prompt_source": prompt_source}
    row |= {_source[at]: models[at] for at in (0, 1)}
    row |= safe
    for at, one in enumerate(judged):
        named = () if one.safe else one.categories
        row[_categories[at]] = None if named is None else {key: key in named for key in CATEGORIES}
    for at, one in enumerate(judged):
        row[_severity[at]] = 0 if one.safe else one.severity
    return row


FORMAT = Format(
    "PKU-SafeRLHF: two responses, their safety, dual or single preference; the older shape is "
    "written if nothing beyond safety is known",
    read,
    write,
    licence="the released data is CC-BY-NC-4.0",
)
