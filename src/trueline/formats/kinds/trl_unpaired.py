"""TRL's unpaired preference, as KTO trains on it: a response, and whether to move towards it."""

from __future__ import annotations

from trueline.files.rows import Row
from trueline.formats import cells
from trueline.formats.contract import CannotWrite, Fields, Format, full_prompt, new_example
from trueline.policy.values import agreed_value, find_preference
from trueline.records.conversation import Malformed, read_messages, to_dicts
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Question,
    Response,
    Unscored,
    with_labels,
)

DESIRABLE = Question(
    id="desirable",
    about="response",
    kind="yes-no",
    ask="Is this a response that a model should move towards (yes) or away from (no)?",
)


def read(row: Row, occurrence: int) -> Example:
    """One response with its label; rows that share a prompt stay apart, as they stand."""
    prompt, completion, label = (row.value(c) for c in ("prompt", "completion", "label"))
    turns = read_messages(prompt, "user", "prompt")
    response = Response(read_messages(completion, "assistant", "completion"))
    if not any(turn.content.strip() or turn.tool_calls for turn in response.messages):
        raise Malformed("completion is blank")
    desirable = cells.flag(label, "label")
    example = new_example(row, occurrence, turns, [response])
    by = LabellerId("imported", "trl-unpaired")
    return with_labels(example, Label.new(example, DESIRABLE, (0,), by, value=desirable))


def write(example: Example) -> list[Fields]:
    """A row for each response that is labelled desirable or not; if none is, the preferred and
    the other response of the pair become one row each."""
    prompt = to_dicts(full_prompt(example))
    return [
        {"prompt": prompt, "completion": to_dicts(example.responses[at].messages), "label": label}
        for at, label in (_desirable(example) or _from_preference(example)).items()
    ]


def _desirable(example: Example) -> dict[int, bool]:
    """Which responses are labelled, and how."""
    numbers = range(len(example.responses))
    answers = {at: agreed_value(example, DESIRABLE.id, (at,)) for at in numbers}
    for answer in answers.values():
        if isinstance(answer, Unscored):
            raise CannotWrite(answer.reason)
    return {at: answer for at, answer in answers.items() if isinstance(answer, bool)}


def _from_preference(example: Example) -> dict[int, bool]:
    order = find_preference(example)
    if isinstance(order, Unscored):
        raise CannotWrite(f"{order.reason}, and no response is labelled desirable or not")
    return {order[0]: True, order[1]: False}


FORMAT = Format(
    "TRL, for KTO: prompt, completion, label (true or false); a pair becomes two rows",
    read,
    write,
)
