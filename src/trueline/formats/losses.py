"""What an outside format loses of an Example: the difference between it and what its rows say.

`find_losses` reads the rows back and compares: nothing is stated by the format, so that no format
can misstate it.  Words for people are in one table, `WORDS`; a field that is not in it is called by
its name.  Nothing is said of ids and digests, nor of where the rows themselves lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from trueline.files.rows import NoColumn, Row
from trueline.formats.contract import Fields, Format
from trueline.policy.preference import in_order
from trueline.records.types import Example, Label, Message, Response, Source, ToolCall

WORDS = {
    "unreadable": "everything: the row cannot be read back",
    "Example.prompt": "prompt",
    "Example.responses": "responses",
    "some responses": "some responses",
    "split": "where the response begins",
    "order": "order of turns",
    "system": "system turns",
    "developer": "developer turns",
    "Message.reasoning": "reasoning",
    "Message.tool_calls": "tool calls",
    "Message.tool_call_id": "tool call ids",
    "ToolCall.name": "tool calls",
    "ToolCall.arguments": "tool calls",
    "ToolCall.id": "tool call ids",
    "Response.model": "models of the responses",
    "Response.sampling": "sampling and finish reasons",
    "Response.finish": "sampling and finish reasons",
    "Response.folded": "sampling and finish reasons",
    "Example.candidates": "candidate prompts",
    "Example.task": "task",
    "Example.questions": "questions",
    "Source.dataset": "source",
    "Source.revision": "source",
    "Source.row": "source",
    "Source.license": "licence",
    "Example.parents": "parents and recipe",
    "Example.recipe": "parents and recipe",
    "label": "label {}",
    "Label.by": "who answered",
    "Label.question_hash": "wording of questions",
    "Label.probability": "details of labels",
    "Label.turn": "details of labels",
    "Label.time": "details of labels",
    "Label.note": "details of labels",
    "tag": "tag {}",
}
"""What can be lost, in the order in which it is said, and its words for people."""

APART = {
    Example: {"id", "prompt", "responses", "labels", "source", "tags"},
    Response: {"messages"},
    Message: {"role", "content", "tool_calls"},
    ToolCall: set[str](),
    Source: set[str](),
    # the id, what it is about and its value say which label it is
    Label: {
        *("id", "example", "question", "about", "texts", "value", "unscored", "retracted"),
        *("writer", "sequence"),
    },
}
"""The fields that are compared in their own way, or not at all."""

NOWHERE = Path("rows that were written")
SYSTEM = ("system", "developer")
CONVERSATION = ("user", "assistant", "tool")
Shape = tuple[tuple[str, str], ...]
"""The turns of a conversation itself, as role and text: what tells one from another."""


class Place(NamedTuple):
    """Where a response of the Example has come to lie: in which of the Examples that were read,
    and which of its responses it is."""

    at: int
    number: int


def find_losses(
    format: Format, example: Example, rows: Sequence[Fields] | None = None
) -> list[str]:
    """What the Example says and its `rows` (those that the format writes) do not, in words.

    Nothing if the format writes no rows: then the whole Example is a Reject.
    """
    if rows is None:
        written = format.write_rows(example)
        rows = written if isinstance(written, list) else []
    if not rows:
        return []
    read = _read_back(format, rows)
    if len(read) < len(rows):
        return [WORDS["unreadable"]]
    return list(_in_words(frozenset(_lost_parts(example, read))))


def _read_back(format: Format, rows: Sequence[Fields]) -> list[Example]:
    """The Examples of the rows that can be read."""
    try:
        items = [format.read_row(Row(NOWHERE, at, fields)) for at, fields in enumerate(rows, 1)]
    except NoColumn:  # it writes another table than it reads
        return []
    return [item for item in items if isinstance(item, Example)]


@lru_cache(1024)  # most Examples of a data set lose the same
def _in_words(parts: frozenset[str]) -> tuple[str, ...]:
    """The words for the parts, in the order of the table."""
    order = list(WORDS)
    words: dict[str, tuple[int, str]] = {}
    for part in sorted(parts):
        name, _, of = part.partition(" ") if part.startswith(("label ", "tag ")) else (part, "", "")
        text = WORDS.get(name, name.rpartition(".")[2].replace("_", " ")).format(of)
        words.setdefault(text, (order.index(name) if name in WORDS else len(order), part))
    return tuple(sorted(words, key=words.__getitem__))


def _lost_parts(example: Example, read: list[Example]) -> Iterator[str]:
    """The parts that are lost, by their names in `WORDS`."""
    first = read[0]
    places = _match_responses(example, read)
    if example.responses and not places:
        yield "Example.responses"
    elif len(places) < len(example.responses):
        yield "some responses"
    yield from _lost_turns(example, read, places)
    for number, place in places.items():
        response = read[place.at].responses[place.number]
        yield from _lost_fields(example.responses[number], response)
    yield from _lost_fields(example, first)
    if example.source is not None:
        yield from _lost_fields(example.source, first.source or Source(""))
    yield from _lost_labels(example, read, places)
    tags = {tag for one in read for tag in one.tags}
    yield from (f"tag {tag.partition(':')[0]}" for tag in example.tags if tag not in tags)


def _lost_fields(before: Struct, after: Struct) -> Iterator[str]:
    """The fields of a record that say something and say it no longer."""
    kind = type(before)
    for name in _compared(kind):
        value = getattr(before, name)
        if value not in (None, (), "") and value != getattr(after, name):
            yield f"{kind.__name__}.{name}"


@cache
def _compared(kind: type[Struct]) -> tuple[str, ...]:
    return tuple(
        field.name for field in msgspec.structs.fields(kind) if field.name not in APART[kind]
    )


# ---- turns -----------------------------------------------------------------------------------


def _shape(turns: Sequence[Message]) -> Shape:
    return tuple((turn.role, turn.content) for turn in turns if turn.role in CONVERSATION)


def _match_responses(example: Example, read: list[Example]) -> dict[int, Place]:
    """Where each response has come to lie, by its number: first by the whole conversation, for its
    beginning may have moved into the prompt, then by what it says alone."""
    free: dict[Shape, list[Place]] = {}
    for at, one in enumerate(read):
        for number, response in enumerate(one.responses):
            free.setdefault(_shape((*one.prompt, *response.messages)), []).append(Place(at, number))
    places = {}
    for number, response in enumerate(example.responses):
        if same := free.get(_shape((*example.prompt, *response.messages))):
            places[number] = same.pop(0)
    left = [place for several in free.values() for place in several]
    for number, response in enumerate(example.responses):
        if number not in places:
            shape = _shape(response.messages)
            for place in left:
                if _shape(read[place.at].responses[place.number].messages) == shape:
                    places[number] = place
                    left.remove(place)
                    break
    return places


def _lost_turns(example: Example, read: list[Example], places: dict[int, Place]) -> Iterator[str]:
    if not places:
        before, after = example.prompt, read[0].prompt
        if example.prompt and _shape(after) != _shape(before):
            after = after + tuple(m for r in read[0].responses[:1] for m in r.messages)
            if _shape(after) != _shape(before):
                yield "Example.prompt"
                return
            yield "split"
        yield from _lost_of_turns(before, after)
    for number, place in places.items():
        one = read[place.at]
        response = example.responses[number].messages
        answer = one.responses[place.number].messages
        is_same_prompt = _shape(one.prompt) == _shape(example.prompt)
        if is_same_prompt:
            yield from _lost_of_turns(example.prompt, one.prompt)
            yield from _lost_of_turns(response, answer)
        elif _shape((*one.prompt, *answer)) == _shape((*example.prompt, *response)):
            yield "split"
            yield from _lost_of_turns((*example.prompt, *response), (*one.prompt, *answer))
        else:
            yield "Example.prompt"
            yield from _lost_of_turns(response, answer)


def _lost_of_turns(before: Sequence[Message], after: Sequence[Message]) -> Iterator[str]:
    """What turns of the same shape have lost."""
    if before == after:
        return
    lost_roles = _lost_roles(_of_roles(before, SYSTEM), _of_roles(after, SYSTEM))
    yield from lost_roles
    for roles in (SYSTEM, CONVERSATION):
        turns, left = _of_roles(before, roles), _of_roles(after, roles)
        if [turn.content for turn in turns] == [turn.content for turn in left]:
            yield from _lost_in_turns(turns, left)
    if not lost_roles and [turn.role for turn in before] != [turn.role for turn in after]:
        yield "order"


def _of_roles(turns: Sequence[Message], roles: Sequence[str]) -> list[Message]:
    return [turn for turn in turns if turn.role in roles]


def _lost_roles(before: list[Message], after: list[Message]) -> list[str]:
    """Which of the roles in SYSTEM have lost turns, or have become the other one."""
    if [turn.content for turn in before] == [turn.content for turn in after]:
        changed = {a.role for a, b in zip(before, after, strict=True) if a.role != b.role}
        return [role for role in SYSTEM if role in changed]
    return [
        role
        for role in SYSTEM
        if any(turn.role == role for turn in before)
        and [turn.content for turn in before if turn.role == role]
        != [turn.content for turn in after if turn.role == role]
    ]


def _lost_in_turns(before: Iterable[Message], after: Iterable[Message]) -> Iterator[str]:
    for turn, left in zip(before, after, strict=True):
        if turn == left:
            continue
        yield from _lost_fields(turn, left)
        if len(turn.tool_calls) != len(left.tool_calls):
            yield "Message.tool_calls"
            if any(call.id for call in turn.tool_calls):
                yield "ToolCall.id"
            continue
        for call, again in zip(turn.tool_calls, left.tool_calls, strict=True):
            yield from _lost_fields(call, again)


# ---- labels ----------------------------------------------------------------------------------


Judgement = tuple[str, tuple[int, ...], type, Any]
"""Which label one is, whatever the numbers and the order of the responses."""


def _judgement(label: Label, about: tuple[int, ...]) -> Judgement:
    label = in_order(msgspec.structs.replace(label, about=about))
    return label.question, label.about, type(label.value), label.outcome


def _lost_labels(example: Example, read: list[Example], places: dict[int, Place]) -> Iterator[str]:
    if not example.labels:
        return
    numbers = {place: number for number, place in places.items()}
    left: dict[Judgement, list[Label]] = {}
    for at, one in enumerate(read):
        for label in one.labels:
            about = [numbers.get(Place(at, number)) for number in label.about]
            known = tuple(number for number in about if number is not None)
            if len(known) == len(about):
                left.setdefault(_judgement(label, known), []).append(label)
    for label in example.labels:
        if label.retracted:
            continue
        same = left.get(_judgement(label, label.about))
        if not same:
            yield f"label {label.question}"
            continue
        # of several that say the same, the one that is nearest
        yield from min((list(_lost_fields(label, one)) for one in same), key=len)
