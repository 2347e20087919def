"""Whatever an Example holds, a format keeps it, says that it is lost, or gives a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline import formats
from trueline.files.rows import Row
from trueline.formats import Format
from trueline.formats.kinds.trl_unpaired import DESIRABLE
from trueline.policy.pku import CATEGORIES, HARM_CATEGORIES, MORE_HELPFUL, SAFE, SAFER, SEVERITY
from trueline.records.preference import PREFERRED, Unsettled, agreed, decided
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Reject,
    Response,
    ToolCall,
    with_labels,
)

MAPPING = {
    "prompt": ["q"],
    "system": ["s"],
    "chosen": ["good"],
    "rejected": ["bad"],
    "tag:lang": ["lang"],
}
DUAL = (MORE_HELPFUL, SAFER, PREFERRED)
values: list[tuple[Question, st.SearchStrategy[Any]]] = [
    (SAFE, st.booleans()),
    (DESIRABLE, st.booleans()),
    (SEVERITY, st.integers(0, 3)),
    (HARM_CATEGORIES, st.sampled_from([(), CATEGORIES[:1], CATEGORIES[3:5]])),
]
traps = ["", "\n", "a\n", "[{", "{}", "Human: x", "\n\nHuman: x", "\n\nAssistant:", '"quoted"']
texts = st.sampled_from(["yes", "no", "how?", *traps]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8
)
arguments = st.sampled_from(["{}", '{"a": 1}', ' {"a":1}', '"{}"', "no JSON", "", "3", '{"a": '])
calls = st.builds(ToolCall, id=st.sampled_from(["", "c1"]), name=texts, arguments=arguments)
roles = st.sampled_from(["user", "user", "assistant", "system", "developer", "tool"])


def turns(role: Any) -> st.SearchStrategy[Message]:
    rich = st.builds(
        Message,
        role=st.just(role),
        content=texts,
        reasoning=st.none() | texts,
        tool_calls=st.lists(calls, max_size=2).map(tuple),
        tool_call_id=st.none() | st.just("c1"),
    )
    plain = st.builds(Message, role=st.just(role), content=texts)
    return st.integers(0, 7).flatmap(lambda rare: rich if rare == 0 else plain)


prompts = st.one_of(
    turns("user").map(lambda one: (one,)),
    st.tuples(turns("system"), turns("user")),
    st.tuples(turns("user"), turns("assistant"), turns("user")),
    st.lists(roles.flatmap(turns), max_size=4).map(tuple),
)
answers = st.one_of(
    turns("assistant").map(lambda one: (one,)),
    turns("assistant").map(lambda one: (one,)),
    st.tuples(turns("assistant"), turns("user"), turns("assistant")),
    st.lists(roles.flatmap(turns), max_size=2).map(tuple),
)
responses = st.builds(Response, messages=answers, model=st.none() | st.just("m"))


@st.composite
def examples(draw: st.DrawFn) -> Example:
    made = Example.new(
        draw(prompts),
        # two that say the same could not be told apart when they come back
        draw(st.lists(responses, max_size=3, unique_by=lambda response: response.text)),
        tags=draw(st.lists(st.sampled_from(["lang:en", "prompt_source:p", "x:y"]), unique=True)),
    )
    by = st.sampled_from(
        [
            LabellerId("person", "p"),
            LabellerId("imported", "pku-saferlhf"),
            LabellerId("derived", "r"),
        ]
    )
    labels = []
    for at in range(len(made.responses)):
        for question, answers in draw(st.lists(st.sampled_from(values), max_size=4)):
            labels.append(Label.new(made, question, (at,), draw(by), value=draw(answers)))
    if len(made.responses) >= 2:
        for question in draw(st.lists(st.sampled_from(DUAL), max_size=3)):
            value = draw(st.sampled_from(["first", "second", "first", "second", "tie"]))
            about = draw(st.sampled_from([(0, 1), (0, 1), (0, len(made.responses) - 1)]))
            labels.append(Label.new(made, question, about, draw(by), value=value))
    return with_labels(made, *labels)


def settled(example: Example, question: str, at: int) -> Any:
    """The answer about one response, None where there is none or the labels differ."""
    try:
        if question in ("severity", "harm_categories") and agreed(example, "safe", (at,)):
            return None  # not asked
        return agreed(example, question, (at,))
    except Unsettled:
        return None


def seen(example: Example, format: Format, lost: set[str]) -> dict[str, Any]:
    """What the example says in the parts that the format is not said to lose.

    Responses are told apart by what they say, not by number: formats order them differently.
    """

    def kept(turn: Message) -> Message:
        role = turn.role
        if role == "developer" and "developer turns" in lost:
            role = "system"
        made = [
            ToolCall("" if "tool call ids" in lost else call.id, call.name, call.arguments)
            for call in turn.tool_calls
        ]
        return Message(
            role,
            turn.content,
            None if "reasoning" in lost else turn.reasoning,
            () if "tool calls" in lost else tuple(made),
            None if "tool call ids" in lost else turn.tool_call_id,
        )

    def spoken(of: tuple[Message, ...]) -> tuple[Message, ...]:
        bare = {"system", "developer"} if "system turns" not in format.holds else set()
        return tuple(kept(turn) for turn in of if turn.role not in bare)

    def one(at: int) -> tuple[Message, ...]:
        return spoken(example.prompt + example.responses[at].messages)

    numbers = range(len(example.responses))
    said = {one(at) for at in numbers if "responses" in format.holds}
    found: dict[str, Any] = {"responses": said or {spoken(example.prompt)}}
    if not any("begin" in part for part in lost):
        found["prompt"] = spoken(example.prompt)
    if "models of the responses" in format.holds:
        found["models"] = {(one(at), example.responses[at].model) for at in numbers}
    for question in format.answers:
        if f"label {question}" in lost:
            continue
        if question in {q.id for q in DUAL}:
            order = decided(example, question)
            found[question] = None if isinstance(order, str) else tuple(map(one, order))
        else:
            found[question] = {one(at): settled(example, question, at) for at in numbers}
    if format.name == "trl-unpaired" and not any(found["desirable"].values()):
        order = decided(example)  # then the pair says which is desirable
        if not isinstance(order, str) and set(found["desirable"].values()) == {None}:
            found["desirable"] |= {one(order[0]): True, one(order[1]): False}
    found["tags"] = {t for t in example.tags if t.partition(":")[0] in format.tags - {"forced"}}
    return found


MANY = 60
SUBSETS = {
    "responses beyond the pair",
    "responses beyond the preferred one",
    "responses without a label",
}


@pytest.mark.parametrize("name", sorted(formats.every()))
@settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(example=examples())
def test_what_is_written_says_the_same_when_read(name: str, example: Example) -> None:
    format = formats.named(name, MAPPING if name == "columns" else None)
    rows = format.rows(example)
    lost = set(format.loses(example))
    if isinstance(rows, Reject):
        assert rows.message and rows.example == example
        return
    before, after = seen(example, format, lost), list[dict[str, Any]]()
    for row in rows:
        # as it comes back from a file
        fields = msgspec.json.decode(msgspec.json.encode(row))
        back = format.read(Row(Path("x.jsonl"), 1, fields), 0)
        if isinstance(back, Reject):
            assert "blank" in back.message or "same" in back.message or "different" in back.message
            return
        after.append(seen(back, format, lost))
    assert all(found.pop("tags") == before["tags"] for found in after)
    before.pop("tags")
    united = set[Any]().union(*(found.pop("responses") for found in after))
    there = before.pop("responses")
    assert united <= there if lost & SUBSETS else united == there
    for found in after:
        for part, value in found.items():
            if isinstance(value, dict):
                assert value.items() <= before[part].items(), part
            elif isinstance(value, set):
                assert value <= before[part], part
            else:
                assert value == before[part], part


def test_the_answers_that_decide_are_told_from_those_that_do_not() -> None:
    """Guards the reading of labels that the property above rests on."""
    example = Example.new((), [Response((Message("assistant", "x"),))])
    said = [
        Label.new(example, SAFE, (0,), by, value=value)
        for by, value in ((LabellerId("person", "p"), True), (LabellerId("person", "q"), False))
    ]
    assert agreed(with_labels(example, said[0]), "safe", (0,)) is True
    assert agreed(example, "safe", (0,)) is None
    with pytest.raises(Unsettled, match="'safe' differ"):
        agreed(with_labels(example, *said), "safe", (0,))
    rule = Label.new(example, SAFE, (0,), LabellerId("derived", "r"), value=False)
    assert agreed(with_labels(example, *said, rule), "safe", (0,)) is False
