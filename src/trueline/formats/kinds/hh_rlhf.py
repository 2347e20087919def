r"""HH-RLHF (arXiv 2204.05862): two transcripts, of which people preferred one.

A turn is `\n\nHuman: ` or `\n\nAssistant: ` and its text; nothing marks these words where they
are part of a text.  So every such mark begins a turn, two Assistant turns in a row are kept as
two, and a row that would not come back byte for byte is a Reject.
"""

from __future__ import annotations

import re

from trueline.files.rows import Row
from trueline.formats.contract import (
    CannotWrite,
    Fields,
    Format,
    new_example,
    preferred_order,
    with_preference,
    without_system_turns,
)
from trueline.records.conversation import Malformed, Turns
from trueline.records.types import Example, Message, Response, Role

_mark = re.compile(r"\n\n(Human|Assistant):")
_roles: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}
_names = {role: name for name, role in _roles.items()}


def read(row: Row, occurrence: int) -> Example:
    """The turns that both begin with are the prompt, what follows are the responses (several turns
    if the conversations part early); the chosen one is number 0."""
    texts = {column: row.text(column) for column in ("chosen", "rejected")}
    chosen, rejected = (parse_transcript(text, column) for column, text in texts.items())
    prompt, pair = _split(chosen, rejected)
    example = new_example(row, occurrence, prompt, [Response(turns) for turns in pair])
    return with_preference(example, 0, 1, "hh-rlhf")


def parse_transcript(text: str, column: str) -> Turns:
    """The turns of a transcript.  Raises Malformed if it is none, or says nothing at its end."""
    before, *parts = _mark.split(text)
    if before or not parts:
        raise Malformed(f"{column} does not begin with a turn (two line ends and Human: )")
    turns = []
    for at, (name, said) in enumerate(zip(parts[::2], parts[1::2], strict=True), 1):
        if not said.startswith(" "):
            place = f"{column}: turn {at} ({name})"
            raise Malformed(
                f"{place} does not begin with a space; it is empty, or part of a text that looks "
                "like a turn"
            )
        turns.append(Message(_roles[name], said[1:]))
    if turns[-1].role == "user":
        raise Malformed(f"{column} ends with a Human turn, so there is no response")
    if not turns[-1].content.strip():
        raise Malformed(f"{column} is blank in its last turn")
    return tuple(turns)


def format_transcript(turns: Turns) -> str:
    """The turns as one text, the inverse of `parse_transcript`."""
    return "".join(f"\n\n{_names[turn.role]}: {turn.content}" for turn in turns)


def _split(chosen: Turns, rejected: Turns) -> tuple[Turns, tuple[Turns, Turns]]:
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


def write(example: Example) -> Fields:
    """Both transcripts; user and assistant turns only, and no text that looks like a turn."""
    order = preferred_order(example)
    prompt = without_system_turns(example.prompt)
    pair = [prompt + example.responses[at].messages for at in order]
    if any(turn.role not in _names for turns in pair for turn in turns):
        raise CannotWrite("hh-rlhf holds user and assistant turns only")
    row = dict(zip(("chosen", "rejected"), map(format_transcript, pair), strict=True))
    bare = [tuple(Message(turn.role, turn.content) for turn in turns) for turns in pair]
    try:
        parsed = [parse_transcript(text, name) for name, text in row.items()]
        if parsed != bare:
            raise Malformed("a text holds what looks like a turn (Human: or Assistant: )")
        _split(*parsed)
    except Malformed as error:
        raise CannotWrite(str(error)) from error
    return row


FORMAT = Format(
    "HH-RLHF: chosen and rejected, as transcripts of Human: and Assistant: turns",
    read,
    write,
    licence="the released data is MIT",
)
