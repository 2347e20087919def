"""TRL's unpaired preference, as KTO trains on it: a response, and whether to move towards it."""

from __future__ import annotations

from trueline.files.rows import Row
from trueline.formats import CONVERSATION, Fields, Format, bad_row, cells, turned_away
from trueline.records.conversation import Malformed, dicts, messages
from trueline.records.preference import Unsettled, agreed, decided
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Question,
    Reject,
    Response,
    Source,
    with_labels,
)

DESIRABLE = Question(
    id="desirable",
    about="response",
    kind="yes-no",
    ask="Is this a response that a model should move towards (yes) or away from (no)?",
)
_by = LabellerId("imported", "trl-unpaired")


def read(row: Row, occurrence: int) -> Example | Reject:
    """One response with its label; rows that share a prompt stay apart, as they stand."""
    for column in ("prompt", "completion", "label"):
        row.text(column)  # no such column: the file is of another format
    try:
        prompt = messages(row.fields["prompt"], "user", "prompt")
        completion = messages(row.fields["completion"], "assistant", "completion")
        if not any(turn.content.strip() or turn.tool_calls for turn in completion):
            raise Malformed("completion is blank")
        desirable = cells.flag(row.fields["label"], "label")
    except Malformed as error:
        return bad_row(row, str(error))
    example = Example.new(
        prompt,
        [Response(completion)],
        source=Source(row.file.name, row=row.number),
        occurrence=occurrence,
    )
    return with_labels(example, Label.new(example, DESIRABLE, (0,), _by, value=desirable))


def write(example: Example) -> list[Fields] | Reject:
    """A row for each response that is labelled desirable or not; where none is, the preferred and
    the other response of the pair become one row each."""
    if not example.prompt:
        return turned_away(example, "there is no prompt")
    try:
        found = _answers(example)
    except Unsettled as error:
        return turned_away(example, str(error))
    if not found:
        order = decided(example)
        if isinstance(order, str):
            return turned_away(example, f"{order}, and no response is labelled desirable or not")
        found = {order[0]: True, order[1]: False}
    prompt = dicts(example.prompt)
    return [
        {"prompt": prompt, "completion": dicts(example.responses[at].messages), "label": label}
        for at, label in found.items()
    ]


def _answers(example: Example) -> dict[int, bool]:
    """Which responses are labelled, and how."""
    answers = ((at, agreed(example, DESIRABLE.id, (at,))) for at in range(len(example.responses)))
    return {at: answer for at, answer in answers if isinstance(answer, bool)}


def also(example: Example) -> list[str]:
    """Responses that nothing is said about have no row."""
    written = write(example)
    few = isinstance(written, list) and len(written) < len(example.responses)
    return ["responses without a label"] if few else []


FORMAT = Format(
    name="trl-unpaired",
    about="TRL, for KTO: prompt, completion, label (true or false); a pair becomes two rows",
    reads=frozenset({"prompt", "completion", "label"}),
    holds=CONVERSATION | {"responses beyond the pair"},
    answers=frozenset({DESIRABLE.id}),
    read=read,
    write=write,
    also=also,
)
