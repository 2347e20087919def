r"""HH-RLHF (arXiv 2204.05862): two transcripts, of which people preferred one.

A turn is `\n\nHuman: ` or `\n\nAssistant: ` and its text; nothing marks these words where they
are part of a text.  So every such mark begins a turn, two Assistant turns in a row are kept as
two, and a row that would not come back byte for byte is a Reject.
"""

from __future__ import annotations

import re

from trueline.files.rows import Row
from trueline.formats import Fields, Format, bad_row, turned_away
from trueline.records.conversation import Malformed, Turns
from trueline.records.preference import PREFERRED, decided, preference_label
from trueline.records.types import (
    Example,
    LabellerId,
    Message,
    Reject,
    Response,
    Role,
    Source,
    with_labels,
)

_by = LabellerId("imported", "hh-rlhf")
_mark = re.compile(r"\n\n(Human|Assistant):")
_roles: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}
_names = {role: name for name, role in _roles.items()}


def read(row: Row, occurrence: int) -> Example | Reject:
    """The turns that both begin with are the prompt, what follows are the responses (several turns
    where the conversations part early); the chosen one is number 0."""
    columns = {column: row.text(column) for column in ("chosen", "rejected")}
    try:
        chosen, rejected = (turns(text, column) for column, text in columns.items())
        prompt, pair = _parted(chosen, rejected)
    except Malformed as error:
        return bad_row(row, str(error))
    example = Example.new(
        prompt,
        [Response(messages) for messages in pair],
        source=Source(row.file.name, row=row.number),
        occurrence=occurrence,
    )
    return with_labels(example, preference_label(example, 0, 1, _by))


def turns(text: str, column: str) -> Turns:
    """The turns of a transcript; raises Malformed where it is none, or says nothing at its end."""
    before, *parts = _mark.split(text)
    if before or not parts:
        raise Malformed(f"{column} does not begin with a turn (two line ends and Human: )")
    found = []
    for at, (name, said) in enumerate(zip(parts[::2], parts[1::2], strict=True), 1):
        if not said.startswith(" "):
            where = f"{column}: turn {at} ({name}) does not begin with a space"
            raise Malformed(f"{where}; it is empty, or part of a text that looks like a turn")
        found.append(Message(_roles[name], said[1:]))
    if found[-1].role == "user":
        raise Malformed(f"{column} ends with a Human turn, so there is no response")
    if not found[-1].content.strip():
        raise Malformed(f"{column} is blank in its last turn")
    return tuple(found)


def transcript(of: Turns) -> str:
    """The turns as one text, the inverse of `turns`."""
    return "".join(f"\n\n{_names[turn.role]}: {turn.content}" for turn in of)


def _parted(chosen: Turns, rejected: Turns) -> tuple[Turns, tuple[Turns, Turns]]:
    if chosen == rejected:
        raise Malformed("chosen and rejected are the same")
    pairs = enumerate(zip(chosen, rejected, strict=False))
    shared = next((at for at, (a, b) in pairs if a != b), min(len(chosen), len(rejected)))
    rest = chosen[shared:], rejected[shared:]
    if not all(rest):
        raise Malformed("one of chosen and rejected is the beginning of the other")
    if shared == 0:
        raise Malformed("chosen and rejected share no first turn, so there is no prompt")
    if "user" in (rest[0][0].role, rest[1][0].role):
        raise Malformed(f"the prompts differ: chosen and rejected part in turn {shared + 1}, Human")
    return chosen[:shared], rest


def write(example: Example) -> Fields | Reject:
    """Both transcripts; user and assistant turns only, and no text that looks like a turn."""
    order = decided(example)
    if isinstance(order, str):
        return turned_away(example, order)
    prompt = tuple(turn for turn in example.prompt if turn.role not in ("system", "developer"))
    both = [prompt + example.responses[at].messages for at in order]
    if any(turn.role not in _names for of in both for turn in of):
        return turned_away(example, "hh-rlhf holds user and assistant turns only")
    row = dict(zip(("chosen", "rejected"), map(transcript, both), strict=True))
    plain = [tuple(Message(turn.role, turn.content) for turn in of) for of in both]
    try:
        parts = [turns(text, name) for name, text in row.items()]
        if parts != plain:
            raise Malformed("a text holds what looks like a turn (Human: or Assistant: )")
        _parted(*parts)
    except Malformed as error:
        return turned_away(example, str(error))
    return row


def also(example: Example) -> list[str]:
    """Responses that begin alike lose the place where the prompt ends."""
    order = decided(example)
    if isinstance(order, str):
        return []
    first = {example.responses[at].messages[:1] for at in order}
    return ["where the responses begin"] if len(first) == 1 else []


FORMAT = Format(
    name="hh-rlhf",
    about="HH-RLHF: chosen and rejected, as transcripts of Human: and Assistant: turns",
    reads=frozenset({"chosen", "rejected"}),
    holds=frozenset({"prompt", "responses"}),
    answers=frozenset({PREFERRED.id}),
    read=read,
    write=write,
    also=also,
    licence="the released data is MIT",
)
