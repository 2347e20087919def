"""Whatever an Example holds, a format keeps it, says that it is lost, or gives a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline.files.rows import Row
from trueline.formats.kinds.trl_unpaired import DESIRABLE
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format, find_formats
from trueline.policy.pku import CATEGORIES, HARM_CATEGORIES, MORE_HELPFUL, SAFE, SAFER, SEVERITY
from trueline.policy.preference import PREFERRED
from trueline.policy.values import agreed_value, find_preference
from trueline.records.types import (
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Reject,
    Response,
    ToolCall,
    Unscored,
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
    is_asked = agreed_value(example, "safe", (at,)) is False
    if question in ("severity", "harm_categories") and not is_asked:
        return None
    value = agreed_value(example, question, (at,))
    return None if isinstance(value, Unscored) else value


THERE: dict[str, Callable[[Example], bool]] = {
    "prompt": lambda e: bool(e.prompt),
    "responses": lambda e: bool(e.responses),
    "some responses": lambda e: len(e.responses) > 1,
    "where the response begins": lambda e: bool(e.prompt or e.responses),
    "order of turns": lambda e: len(said(e)) > 1,
    "system turns": lambda e: any(turn.role == "system" for turn in said(e)),
    "developer turns": lambda e: any(turn.role == "developer" for turn in said(e)),
    "reasoning": lambda e: any(turn.reasoning for turn in said(e)),
    "tool calls": lambda e: any(turn.tool_calls for turn in said(e)),
    "tool call ids": lambda e: any(
        turn.tool_call_id is not None or any(call.id for call in turn.tool_calls)
        for turn in said(e)
    ),
    "models of the responses": lambda e: any(r.model is not None for r in e.responses),
    "who answered": lambda e: bool(e.labels),
    "wording of questions": lambda e: bool(e.labels),
}
"""What can be said to be lost, beside labels and tags, and whether an Example has it."""


def said(example: Example) -> list[Message]:
    return [*example.prompt, *(turn for r in example.responses for turn in r.messages)]


def has(example: Example, part: str) -> bool:
    if part.startswith("label "):
        return part in {f"label {label.question}" for label in example.labels}
    if part.startswith("tag "):
        return part in {f"tag {tag.partition(':')[0]}" for tag in example.tags}
    return THERE[part](example)


def seen(example: Example, questions: set[str], lost: set[str]) -> dict[str, Any]:
    """What the example says in the parts that are not said to be lost.

    Responses are told apart by what they say, not by number: formats order them differently.
    """
    bare = {"system", "developer"} if lost & {"system turns", "developer turns"} else set[str]()

    def kept(turn: Message) -> Message:
        calls = [
            ToolCall("" if "tool call ids" in lost else call.id, call.name, call.arguments)
            for call in turn.tool_calls
        ]
        return Message(
            turn.role,
            turn.content,
            None if "reasoning" in lost else turn.reasoning,
            () if "tool calls" in lost else tuple(calls),
            None if "tool call ids" in lost else turn.tool_call_id,
        )

    def spoken(of: tuple[Message, ...]) -> tuple[Message, ...]:
        turns = [kept(turn) for turn in of if turn.role not in bare]
        if "order of turns" in lost:
            turns.sort(key=lambda turn: turn.role in ("system", "developer"))
        return tuple(turns)

    prompt = () if "prompt" in lost else example.prompt

    def one(at: int) -> tuple[Message, ...]:
        return spoken(prompt + example.responses[at].messages)

    numbers = range(0 if "responses" in lost else len(example.responses))
    found: dict[str, Any] = {"responses": {one(at) for at in numbers} or {spoken(prompt)}}
    if "where the response begins" not in lost:
        found["prompt"] = spoken(prompt)
    if "models of the responses" not in lost:
        models = [(one(at), example.responses[at].model) for at in numbers]
        found["models"] = {(text, model) for text, model in models if model is not None}
    for question in questions:
        if question in {q.id for q in DUAL}:
            order = find_preference(example, question)
            found[question] = None if isinstance(order, Unscored) else tuple(map(one, order))
        else:
            answers = {one(at): settled(example, question, at) for at in numbers}
            found[question] = {text: value for text, value in answers.items() if value is not None}
    found["tags"] = {tag for tag in example.tags if f"tag {tag.partition(':')[0]}" not in lost}
    return found


MANY = 60


@pytest.mark.parametrize("name", sorted(find_formats()))
@settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(example=examples())
def test_what_is_written_says_the_same_when_read(name: str, example: Example) -> None:
    format = find_format(name, MAPPING if name == "columns" else None)
    rows = format.write_rows(example)
    lost = set(find_losses(format, example))
    if isinstance(rows, Reject):
        assert rows.message and rows.example == example
        return
    # as they come back from a file
    fields = [msgspec.json.decode(msgspec.json.encode(row)) for row in rows]
    read = [format.read_row(Row(Path("x.jsonl"), 1, one)) for one in fields]
    back = [item for item in read if isinstance(item, Example)]
    if len(back) < len(read):
        assert lost == {"everything: the row cannot be read back"}
        return
    assert [part for part in lost if not has(example, part)] == []
    asked = {label.question for label in example.labels}
    questions = {question for question in asked if f"label {question}" not in lost}
    before = seen(example, questions, lost)
    after = [seen(one, questions, lost) for one in back]
    united = set[Any]().union(*(found.pop("responses") for found in after))
    there = before.pop("responses")
    assert united <= there if "some responses" in lost else united == there
    assert before.pop("tags") <= set[Any]().union(*(found.pop("tags") for found in after))
    for part, value in before.items():
        if isinstance(value, dict):
            answers = {text: answer for found in after for text, answer in found[part].items()}
            left = {text: answer for text, answer in value.items() if text in united}
            assert left.items() <= answers.items(), part
        elif isinstance(value, set):
            kept = {(text, model) for text, model in value if text in united}
            assert set[Any]().union(*(found[part] for found in after)) == kept, part
        else:
            assert {found[part] for found in after} == {value}, part


def test_the_answers_that_decide_are_told_from_those_that_do_not() -> None:
    """Guards the reading of labels that the property above rests on."""
    example = Example.new((), [Response((Message("assistant", "x"),))])
    said = [
        Label.new(example, SAFE, (0,), by, value=value)
        for by, value in ((LabellerId("person", "p"), True), (LabellerId("person", "q"), False))
    ]
    assert agreed_value(with_labels(example, said[0]), "safe", (0,)) is True
    assert agreed_value(example, "safe", (0,)) is None
    differ = agreed_value(with_labels(example, *said), "safe", (0,))
    assert differ == Unscored("the labels on 'safe' differ")
    rule = Label.new(example, SAFE, (0,), LabellerId("derived", "r"), value=False)
    assert agreed_value(with_labels(example, *said, rule), "safe", (0,)) is False
