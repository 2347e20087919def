"""Any table of the user's own, by a mapping from parts of an Example to columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from trueline.files.errors import InputError
from trueline.files.rows import Row
from trueline.formats import Format, Mapped, bad_row, turned_away
from trueline.formats.columns_ratings import LABEL, VALUE, Rating, rated, ratings
from trueline.records.conversation import Malformed, messages
from trueline.records.preference import PREFERRED, decided, preference_label
from trueline.records.types import (
    Example,
    LabellerId,
    Message,
    Reject,
    Response,
    Source,
    with_labels,
)

TARGETS = (
    "prompt",
    "system",
    "response",
    "chosen",
    "rejected",
    "license",
    "tag:KEY",
    "label:QUESTION@RATER",
    "value:QUESTION:CELL",
)
OPEN = ("tag:", LABEL, VALUE)
"""How the parts begin that the user names in part."""

_by = LabellerId("imported", "columns")
_usage = (
    "--from and --to columns need --map PART=COLUMN, once or more; the parts are "
    f"{', '.join(TARGETS)}, and response may be given several times"
)


def mapped(mapping: Mapped) -> Format:
    """The format for one mapping; InputError where the mapping makes no sense."""
    if not mapping:
        raise InputError(_usage)
    for part, columns in mapping.items():
        if part not in TARGETS and not (part.startswith(OPEN) and part not in OPEN):
            raise InputError(f"--map {part}={columns[0]}: unknown part {part!r}. {_usage}")
        if len(columns) > 1 and part != "response":
            raise InputError(f"--map {part} is given twice; only response may be")
    if ("chosen" in mapping) != ("rejected" in mapping):
        raise InputError("--map chosen and --map rejected belong together")
    if not {"prompt", "response", "chosen"} & mapping.keys():
        raise InputError("map at least one of prompt, response, and chosen with rejected")
    rating = ratings(mapping)
    mapping = {part: c for part, c in mapping.items() if not part.startswith((LABEL, VALUE))}
    holds = {
        "prompt": "prompt" in mapping,
        "responses": "response" in mapping or "chosen" in mapping,
        "system turns": "system" in mapping,
        "responses beyond the pair": len(mapping.get("response", ())) > 2,
        "licence": "license" in mapping,
    }
    return Format(
        name="columns",
        about=FORMAT.about,
        reads=frozenset(column for columns in mapping.values() for column in columns)
        | {one.column for one in rating},
        holds=frozenset(part for part, held in holds.items() if held),
        answers=frozenset({PREFERRED.id} if "chosen" in mapping else ()),
        tags=frozenset(part.removeprefix("tag:") for part in mapping if part.startswith("tag:")),
        read=partial(_read, mapping, rating),
        write=partial(_write, mapping),
    )


def _read(mapping: Mapped, rating: Sequence[Rating], row: Row, occurrence: int) -> Example | Reject:
    """Responses in the order of the mapping, then rejected, then chosen."""
    for columns in (*mapping.values(), [one.column for one in rating]):
        for column in columns:
            row.text(column)  # InputError where the file has no such column
    try:
        prompt = [turn for part in ("system", "prompt") for turn in _turns(mapping, row, part)]
        responses = [r for c in mapping.get("response", ()) for r in _responses(row, c)]
        pair = [r for p in ("rejected", "chosen") for r in _responses(row, *mapping.get(p, ()))]
    except Malformed as error:
        return bad_row(row, str(error))
    if len(pair) not in (0, 2) or (pair and pair[0] == pair[1]):
        return bad_row(row, "chosen and rejected are not two different responses")
    tags = [
        f"{part.removeprefix('tag:')}:{value}"
        for part, (column, *_) in mapping.items()
        if part.startswith("tag:") and (value := row.text(column).strip())
    ]
    license = row.text(mapping["license"][0]).strip() if "license" in mapping else None
    example = Example.new(
        prompt,
        [*responses, *pair],
        source=Source(row.file.name, license=license or None, row=row.number),
        tags=tags,
        occurrence=occurrence,
    )
    try:
        labels = [rated(example, one, row.fields[one.column]) for one in rating]
    except Malformed as error:
        return bad_row(row, str(error))
    if pair:
        first = len(responses)
        labels.append(preference_label(example, first + 1, first, _by))
    return with_labels(example, *(label for label in labels if label is not None))


def _turns(mapping: Mapped, row: Row, part: str) -> tuple[Message, ...]:
    if part not in mapping:
        return ()
    (column,) = mapping[part]
    if part == "system":
        text = row.text(column)
        return (Message("system", text),) if text.strip() else ()
    return messages(_cell(row, column), "user", column)


def _responses(row: Row, *columns: str) -> list[Response]:
    """The responses in a column: a text, the messages of one response, or a list of texts."""
    found = []
    for column in columns:
        value = _cell(row, column)
        several = isinstance(value, list) and all(isinstance(v, str) for v in value) and value
        for one in value if several else [value]:
            found.append(Response(messages(one, "assistant", column)))
    return found


def _cell(row: Row, column: str) -> Any:
    value = row.fields[column]
    return row.text(column) if isinstance(value, int | float) else value


def _write(mapping: Mapped, example: Example) -> dict[str, Any] | Reject:
    row: dict[str, Any] = {}
    system = [m.content for m in example.prompt if m.role in ("system", "developer")]
    asked = [m for m in example.prompt if m.role not in ("system", "developer")]
    if "system" in mapping:
        row[mapping["system"][0]] = "\n\n".join(system)
    if "prompt" in mapping:
        if [m.role for m in asked] != ["user"]:
            return turned_away(example, "columns hold prompts of one user turn")
        row[mapping["prompt"][0]] = asked[0].content
    columns = mapping.get("response", ())
    if columns and len(example.responses) > len(columns):
        why = f"{len(example.responses)} responses, and --map names {len(columns)} columns"
        return turned_away(example, why)
    if any(len(response.messages) != 1 for response in example.responses):
        return turned_away(example, "columns hold responses of one turn")
    texts = [response.text for response in example.responses]
    row |= {c: texts[i] if i < len(texts) else None for i, c in enumerate(columns)}
    if "chosen" in mapping:
        order = decided(example)
        if isinstance(order, str):
            return turned_away(example, order)
        row[mapping["chosen"][0]], row[mapping["rejected"][0]] = (texts[i] for i in order)
    if "license" in mapping:
        row[mapping["license"][0]] = example.source.license if example.source else None
    for part, (column, *_) in mapping.items():
        if part.startswith("tag:"):
            row[column] = example.tag(part.removeprefix("tag:"))
    return row


def _unmapped(*_: Any) -> Any:
    raise InputError(_usage)


FORMAT = Format(
    name="columns",
    about="any table, with --map PART=COLUMN",
    reads=frozenset(),
    holds=frozenset(),
    read=_unmapped,
    write=_unmapped,
    mapped=mapped,
)
