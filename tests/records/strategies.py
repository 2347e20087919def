"""Any Example: what hypothesis draws for the round trips."""

from __future__ import annotations

from hypothesis import strategies as st

from trueline.records.types import (
    ROLES,
    Candidate,
    Choice,
    Code,
    Constraint,
    Constraints,
    Example,
    Hierarchy,
    Label,
    LabellerId,
    Message,
    Question,
    Reference,
    Response,
    Sampling,
    Source,
    ToolCall,
    with_labels,
    with_writer,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
int64 = st.integers(-(2**63), 2**63 - 1)
values = st.booleans() | int64 | finite | texts | st.lists(texts, max_size=3).map(tuple)


def maybe(some: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | some


def several(one: st.SearchStrategy, most: int = 3) -> st.SearchStrategy:
    return st.lists(one, max_size=most).map(tuple)


calls = st.builds(ToolCall, id=texts, name=texts, arguments=texts)
messages = st.builds(
    Message,
    role=st.sampled_from(ROLES),
    content=texts,
    reasoning=maybe(texts),
    tool_calls=several(calls, 2),
    tool_call_id=maybe(texts),
)
samplings = st.builds(
    Sampling,
    temperature=finite,
    top_p=finite,
    max_tokens=maybe(int64),
    seed=maybe(int64),
    stop=several(texts, 2),
    logprobs=st.booleans(),
    schema=maybe(texts),
)
responses = st.builds(
    Response,
    messages=several(messages, 2),
    model=maybe(texts),
    sampling=maybe(samplings),
    finish=maybe(texts),
    folded=maybe(texts),
)
candidates = st.builds(
    Candidate, text=texts, model=maybe(texts), score=maybe(finite), note=maybe(texts)
)
tasks = (
    st.builds(Choice, options=several(texts), gold=int64)
    | st.builds(Reference, answers=several(texts))
    | st.builds(Code, tests=texts, entry_point=maybe(texts))
    | st.builds(
        Hierarchy,
        placeholder=texts,
        privileged_level=st.sampled_from(ROLES),
        attack_level=st.sampled_from(ROLES),
        grader_source=texts,
        task_type=maybe(texts),
    )
    | st.builds(
        Constraints,
        rules=several(
            st.builds(
                Constraint,
                rule=texts,
                needs=st.dictionaries(texts, int64 | finite | texts | several(texts), max_size=3),
            )
        ),
    )
)
questions = st.builds(
    Question,
    id=texts,
    about=st.sampled_from(["prompt", "response", "pair"]),
    kind=st.sampled_from(["yes-no", "one-of", "some-of", "scale", "number", "preference"]),
    ask=texts,
    options=several(texts),
    levels=several(int64),
    when=st.dictionaries(texts, st.booleans() | int64 | texts, max_size=2),
    otherwise=maybe(st.booleans() | int64 | finite | texts),
    anchors=st.dictionaries(texts, texts, max_size=2),
    weight=finite,
)
labellers = st.builds(
    LabellerId,
    kind=st.sampled_from(["judge", "grader", "classifier", "person", "imported", "derived"]),
    name=texts,
    instrument=maybe(texts),
    version=maybe(int64),
)
sources = st.builds(
    Source, dataset=texts, license=maybe(texts), revision=maybe(texts), row=maybe(int64)
)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    made = Example.new(
        draw(several(messages)),
        draw(several(responses)),
        task=draw(maybe(tasks)),
        questions=draw(several(questions, 2)),
        candidates=draw(several(candidates, 2)),
        source=draw(maybe(sources)),
        parents=draw(several(texts, 2)),
        recipe=draw(maybe(texts)),
        tags=draw(several(texts, 2)),
        occurrence=draw(st.integers(0, 3)),
    )
    labels = []
    for _ in range(draw(st.integers(0, 3))):
        answered = draw(st.booleans())
        labels.append(
            Label.new(
                made,
                draw(questions),
                draw(several(st.integers(0, len(made.responses) - 1), 2)) if made.responses else (),
                draw(labellers),
                value=draw(values) if answered else None,
                unscored=None if answered else draw(texts),
                probability=draw(maybe(finite)),
                turn=draw(maybe(int64)),
                time=draw(maybe(texts)),
                note=draw(maybe(texts)),
            )
        )
    signed = [
        with_writer(label, draw(texts), draw(int64)) if draw(st.booleans()) else label
        for label in labels
    ]
    return with_labels(made, *signed)
