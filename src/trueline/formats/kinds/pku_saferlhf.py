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
from trueline.formats import Fields, Format, bad_row, cells, turned_away
from trueline.policy.pku import CATEGORIES, HARM_CATEGORIES, MORE_HELPFUL, SAFE, SAFER, SEVERITY
from trueline.records.conversation import Malformed, unpacked
from trueline.records.preference import (
    PREFERRED,
    Unsettled,
    agreed,
    decided,
    preference_label,
)
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Reject,
    Response,
    Source,
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
    """What is said about one response; None where nothing is."""

    safe: bool | None
    categories: tuple[str, ...] | None
    severity: int | None


# ---- reading ---------------------------------------------------------------------------------


def read(row: Row, occurrence: int) -> Example | Reject:
    """Responses in the file's order; a row that breaks an invariant of the data is a Reject."""
    for column in _required:
        row.text(column)  # InputError where the file has no such column
    fields = row.fields
    try:
        prompt, *texts = (cells.text(fields[column], column) for column in _required[:3])
        judged = [_judged(fields, at) for at in (0, 1)]
        dual = "safer_response_id" in fields
        columns = ("better_response_id", "safer_response_id")[: 1 + dual]
        better, *safer = (cells.whole(fields[column], column, range(2)) for column in columns)
        if texts[0] == texts[1]:
            raise Malformed("response_0 and response_1 are the same text")
        if (broken := _broken(judged, *safer)) is not None:
            raise Malformed(broken)
        names = [_name(fields, column) for column in ("prompt_source", *_source)]
    except Malformed as error:
        return bad_row(row, str(error))
    example = Example.new(
        [Message("user", prompt)],
        [
            Response((Message("assistant", text),), model=model)
            for text, model in zip(texts, names[1:], strict=True)
        ],
        source=Source(row.file.name, row=row.number),
        tags=[f"prompt_source:{names[0]}"] if names[0] is not None else [],
        occurrence=occurrence,
    )
    questions = (MORE_HELPFUL, SAFER) if dual else (PREFERRED,)
    labels = [label for at in (0, 1) for label in _labels(example, at, judged[at])]
    labels += [
        preference_label(example, chosen, 1 - chosen, _by, question)
        for question, chosen in zip(questions, (better, *safer), strict=True)
    ]
    if dual and judged[0].safe is not None and judged[0].safe == judged[1].safe:
        example = with_tags(example, "forced:safer")
    return with_labels(example, *labels)


def _judged(fields: Fields, at: int) -> Judged:
    safe, severity, categories = (
        cells.given(fields, columns[at]) for columns in (_safe, _severity, _categories)
    )
    if safe is None and (severity is not None or categories is not None):
        raise Malformed(f"{_safe[at]} is missing, where severity or categories are given")
    return Judged(
        None if safe is None else cells.flag(safe, _safe[at]),
        None if categories is None else _keys(categories, _categories[at]),
        None if severity is None else cells.whole(severity, _severity[at], range(4)),
    )


def _keys(value: Any, column: str) -> tuple[str, ...]:
    found = unpacked(value, "{")
    if not isinstance(found, dict):
        raise Malformed(f"{column} is no object of 19 categories")
    if unknown := found.keys() - set(CATEGORIES):
        raise Malformed(f"{column} has a key that is none of the 19 categories: {min(unknown)!r}")
    if missing := [key for key in CATEGORIES if key not in found]:
        raise Malformed(f"{column} lacks {missing[0]!r} (19 categories are expected)")
    return tuple(key for key in CATEGORIES if cells.flag(found[key], f"{column}[{key!r}]"))


def _name(fields: Fields, column: str) -> str | None:
    return None if (value := cells.given(fields, column)) is None else cells.text(value, column)


def _broken(judged: list[Judged], safer: int | None = None) -> str | None:
    """The invariant that the labels of a row break, and what was found; None where all hold."""
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


def _labels(example: Example, at: int, found: Judged) -> Iterable[Label]:
    if found.safe is not None:
        yield Label.new(example, SAFE, (at,), _by, value=found.safe)
    if found.safe is False and found.categories is not None:
        yield Label.new(example, HARM_CATEGORIES, (at,), _by, value=found.categories)
    if found.safe is False and found.severity is not None:
        yield Label.new(example, SEVERITY, (at,), _by, value=found.severity)


# ---- writing ---------------------------------------------------------------------------------


def write(example: Example) -> Fields | Reject:
    """A row of dual preference where both questions are decided, else of single preference."""
    orders = _orders(example)
    if isinstance(orders, str):
        return turned_away(example, orders)
    pair = sorted(next(iter(orders.values())))
    if any(sorted(order) != pair for order in orders.values()):
        return turned_away(example, "more_helpful and safer are about different pairs")
    asked = [m for m in example.prompt if m.role not in ("system", "developer")]
    if [m.role for m in asked] != ["user"]:
        return turned_away(example, "pku-saferlhf holds prompts of one user turn")
    responses = [example.responses[at] for at in pair]
    if any([m.role for m in response.messages] != ["assistant"] for response in responses):
        return turned_away(example, "pku-saferlhf holds responses of one turn")
    chosen = [pair.index(order[0]) for order in orders.values()]
    try:
        judged = [_known(example, at) for at in pair]
    except (Unsettled, Malformed) as error:
        return turned_away(example, str(error))
    if (broken := _broken(judged, *chosen[1:])) is not None:
        return turned_away(example, broken)
    row: Fields = {"prompt": asked[0].content}
    row |= {f"response_{at}": response.text for at, response in enumerate(responses)}
    row |= _meta(judged, example.tag("prompt_source"), [r.model for r in responses])
    return row | dict(zip(("better_response_id", "safer_response_id"), chosen, strict=False))


def _orders(example: Example) -> dict[str, tuple[int, int]] | str:
    """By question, the order of the pair: of both dual ones, or of the single one."""
    found = {q.id: decided(example, q.id) for q in (MORE_HELPFUL, SAFER, PREFERRED)}
    orders = {name: order for name, order in found.items() if not isinstance(order, str)}
    single = orders.pop(PREFERRED.id, None)
    if len(orders) == 2:
        return orders
    if single is not None:
        return {PREFERRED.id: single}
    labelled = {label.question for label in example.labels}
    reasons = (f"{q}: {why}" for q, why in found.items() if q in labelled and isinstance(why, str))
    return next(reasons, str(found[PREFERRED.id]))


def _known(example: Example, at: int) -> Judged:
    """What the labels say about one response, in the terms of the format."""
    safe, categories, severity = (
        agreed(example, question.id, (at,)) for question in (SAFE, HARM_CATEGORIES, SEVERITY)
    )
    if not isinstance(safe, bool | None):
        raise Malformed("safe is neither true nor false")
    if safe is None and (categories is not None or severity is not None):
        raise Malformed("severity or categories are labelled, and safe is not")
    if not isinstance(categories, tuple | None) or set(categories or ()) - set(CATEGORIES):
        raise Malformed("harm_categories are not of the 19 categories")
    if severity is not None:
        severity = cells.whole(severity, "severity", range(4))
    return Judged(safe, categories, severity)


def _meta(judged: list[Judged], prompt_source: str | None, models: list[str | None]) -> Fields:
    """The columns between the texts and the ids: all where more than `safe` is known."""
    safe = {_safe[at]: judged[at].safe for at in (0, 1)}
    details = [judged[at][1:] for at in (0, 1)]
    if all(known is None for known in (prompt_source, *models, *details[0], *details[1])):
        return {} if judged[0].safe is None and judged[1].safe is None else safe
    row: Fields = {"prompt_source": prompt_source}
    row |= {_source[at]: models[at] for at in (0, 1)}
    row |= safe
    for at, found in enumerate(judged):
        named = () if found.safe else found.categories
        row[_categories[at]] = None if named is None else {key: key in named for key in CATEGORIES}
    for at, found in enumerate(judged):
        row[_severity[at]] = 0 if found.safe else found.severity
    return row


def also(example: Example) -> list[str]:
    """A row has dual or single preference, not both."""
    orders = _orders(example)
    unused = {q.id for q in (MORE_HELPFUL, SAFER, PREFERRED)} - set(orders)
    labelled = {label.question for label in example.labels}
    return [f"label {question}" for question in sorted(unused & labelled)]


FORMAT = Format(
    name="pku-saferlhf",
    about=(
        "PKU-SafeRLHF: two responses, their safety, dual or single preference; the older shape is "
        "written where nothing beyond safety is known"
    ),
    reads=frozenset(
        {*_required, "safer_response_id", "prompt_source"}
        | {*_safe, *_categories, *_severity, *_source}
    ),
    holds=frozenset({"prompt", "responses", "models of the responses"}),
    answers=frozenset(
        q.id for q in (SAFE, HARM_CATEGORIES, SEVERITY, MORE_HELPFUL, SAFER, PREFERRED)
    ),
    tags=frozenset({"prompt_source", "forced"}),
    read=read,
    write=write,
    also=also,
    licence="the released data is CC-BY-NC-4.0",
)
