"""The one record and its parts: Example, Message, Response, Label, Question, Candidate, Source.

All are frozen.  Responses and labels are only ever appended, by the functions at the end of this
file; an Example keeps the id it was born with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from trueline.files.hashing import digest, hash_bytes

Role = Literal["system", "developer", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant", "tool")

CONTENT_ID = re.compile(r"[0-9a-f]{32}(-[1-9][0-9]*)?")
"""The id of an Example, with an occurrence number if equal content came before it."""

_ONE, _NO_ARGUMENTS = 1.0, "{}"
_NO_PARAMETERS = '{"type": "object", "properties": {}}'


def _exact(record: Struct, **defaults: float | str) -> None:
    """Equal records are to give equal bytes, and so equal ids: a float is stored as a float, and
    a default as the very object that stands in the class, because msgspec leaves out a default
    only if it is that object."""
    for name, default in defaults.items():
        value = getattr(record, name)
        if value == default:
            msgspec.structs.force_setattr(record, name, default)
        elif type(value) is int:
            msgspec.structs.force_setattr(record, name, float(value))


class ToolCall(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A call that an assistant made; `arguments` is the JSON text exactly as it was written."""

    id: str
    name: str
    arguments: str = _NO_ARGUMENTS

    def __post_init__(self) -> None:
        _exact(self, arguments=_NO_ARGUMENTS)


class Tool(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A function that a model may call; `parameters` is the JSON schema of its arguments, as JSON
    text."""

    name: str
    description: str
    parameters: str = _NO_PARAMETERS

    def __post_init__(self) -> None:
        _exact(self, parameters=_NO_PARAMETERS)


class Message(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One turn of a conversation."""

    role: Role
    content: str
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Sampling(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How completions are drawn.

    `temperature` 0 is greedy.  `max_tokens` bounds each completion, in tokens of the model.
    Sample number i of a request with a seed is drawn with `seed + i`, so that asking for more
    samples later leaves the earlier ones as they were.  `schema`, JSON text, is the JSON schema
    that the completion must fit; a model that cannot be held to one raises Unsupported.
    """

    temperature: float = _ONE
    top_p: float = _ONE
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    schema: str | None = None

    def __post_init__(self) -> None:
        _exact(self, temperature=_ONE, top_p=_ONE)


class Response(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An answer: usually one assistant message, several for agentic or multi-turn items.

    `model` is the identity of the model that wrote it (None: a person, or unknown); `finish` is
    why it ended ("stop", "length", …); `folded` names the rule by which roles that the model's
    chat template cannot hold were rewritten, None if nothing was.
    """

    messages: tuple[Message, ...]
    model: str | None = None
    sampling: Sampling | None = None
    finish: str | None = None
    folded: str | None = None

    @property
    def text(self) -> str:
        """The contents of the assistant's turns, joined by blank lines."""
        return "\n\n".join(m.content for m in self.messages if m.role == "assistant")


class Candidate(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A prompt that a recipe considered; `score` is higher for better, `note` says on what scale
    or why it was set aside."""

    text: str
    model: str | None = None
    score: float | None = None
    note: str | None = None


# ---- tasks: what an item needs to be checked -------------------------------------------------


class Choice(Struct, frozen=True, tag="choice", forbid_unknown_fields=True):
    """Multiple choice; `gold` indexes `options`."""

    options: tuple[str, ...]
    gold: int


class Reference(Struct, frozen=True, tag="reference", forbid_unknown_fields=True):
    """Free text with one or more accepted answers."""

    answers: tuple[str, ...]


class Code(Struct, frozen=True, tag="code", forbid_unknown_fields=True):
    """A program to be written; `tests` is source that raises if the program is wrong."""

    tests: str
    entry_point: str | None = None


class Hierarchy(Struct, frozen=True, tag="hierarchy", forbid_unknown_fields=True):
    """A conflict between instruction levels, decided by a programmatic grader.

    `placeholder` stands in exactly one turn of the prompt, where the attacker's text goes.
    """

    placeholder: str
    privileged_level: Role
    attack_level: Role
    grader_source: str
    task_type: str | None = None


class Constraint(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that a text must do, by the name of the rule that checks it and what it needs."""

    rule: str
    needs: dict[str, int | float | str | tuple[str, ...]] = {}


class Constraints(Struct, frozen=True, tag="constraints", forbid_unknown_fields=True):
    """Instructions that code can verify (IFEval, arXiv 2311.07911): all are to be followed."""

    rules: tuple[Constraint, ...]


Task = Choice | Reference | Code | Hierarchy | Constraints

# ---- questions and labels --------------------------------------------------------------------

QuestionKind = Literal["yes-no", "one-of", "some-of", "scale", "number", "preference"]
About = Literal["prompt", "response", "pair"]
Value = bool | int | float | str | tuple[str, ...]


class Question(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A question about a prompt, a response or a pair: data, put alike to people and machines.

    `when` maps ids of other questions to the value under which this one is asked; elsewhere its
    answer is `otherwise`, computed when read and never stored.  `options` belongs to one-of and
    some-of, `levels` to scale, `anchors` describes levels or options.
    """

    id: str
    about: About
    kind: QuestionKind
    ask: str
    options: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    when: dict[str, bool | int | str] = {}
    otherwise: Value | None = None
    anchors: dict[str, str] = {}
    weight: float = _ONE

    def __post_init__(self) -> None:
        _exact(self, weight=_ONE)


class LabellerId(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who answered.

    `instrument` is a hash of everything that could change their answers, `version` the number that
    the instrument itself gives (None: unknown): of two versions of one name, the higher replaces
    the lower.
    """

    kind: Literal["judge", "grader", "classifier", "person", "imported", "derived"]
    name: str
    instrument: str | None = None
    version: int | None = None


class Unscored(Struct, frozen=True, forbid_unknown_fields=True):
    """No answer, because the instrument failed; never a verdict."""

    reason: str


class Retracted(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The labeller takes back what it has said so far."""

    reason: str | None = None


class Label(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One statement of a labeller about one question: an answer, why there is none, or that
    earlier ones are taken back.

    `about` is `()` for the prompt, `(i,)` for a response, `(i, j)` for an ordered pair, whose
    preference value is "first", "second" or "tie".  `texts` are digests of what was judged, so
    that a label cannot be joined to other texts.  `writer` is the run or the person that stored
    the label, who counts statements in `sequence`; both are set when it is stored.  Which label
    counts, `records.labels.effective_labels` says.  Make labels with `Label.new`.
    """

    id: str
    example: str
    question: str
    question_hash: str
    about: tuple[int, ...]
    by: LabellerId
    texts: tuple[str, ...]
    value: Value | None = None
    unscored: str | None = None
    retracted: bool = False
    probability: float | None = None
    turn: int | None = None
    time: str | None = None
    note: str | None = None
    writer: str | None = None
    sequence: int = 0

    @staticmethod
    def new(
        example: Example,
        question: Question,
        about: tuple[int, ...],
        by: LabellerId,
        *,
        value: Value | None = None,
        unscored: str | None = None,
        retracted: bool = False,
        probability: float | None = None,
        turn: int | None = None,
        time: str | None = None,
        note: str | None = None,
    ) -> Label:
        """A Label with its id and the digests of the texts that it judges.

        Exactly one of `value`, `unscored` and `retracted` is given: a failed instrument is never a
        verdict.  Raises ValueError otherwise, and IndexError if there is no such response.
        """
        if (value is not None) + (unscored is not None) + retracted != 1:
            raise ValueError(
                f"a label on {question.id!r} needs one of a value, the reason for having none, and "
                "a retraction"
            )
        return _with_label_id(
            Label(
                id="",
                example=example.id,
                question=question.id,
                question_hash=digest(question),
                about=about,
                by=by,
                texts=digest_texts(example, about),
                value=value,
                unscored=unscored,
                retracted=retracted,
                probability=probability,
                turn=turn,
                time=time,
                note=note,
            )
        )

    @property
    def outcome(self) -> Value | Unscored | Retracted:
        """What the label says."""
        if self.retracted:
            return Retracted(self.note)
        return Unscored(self.unscored or "") if self.value is None else self.value


_SAID = [name for name in Label.__struct_fields__ if name not in ("id", "time")]
_encode = msgspec.json.Encoder(order="sorted").encode


def with_writer(label: Label, writer: str | None, sequence: int) -> Label:
    """The label as statement number `sequence` of a writer."""
    return _with_label_id(msgspec.structs.replace(label, writer=writer, sequence=sequence))


def _with_label_id(label: Label) -> Label:
    # all that the statement says, so that two different ones never share an id
    said = [getattr(label, name) for name in _SAID]
    return msgspec.structs.replace(label, id=hash_bytes(_encode(said)))


# ---- the record ------------------------------------------------------------------------------


class Source(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a record came from; `row` counts from 1 in the file as it was read."""

    dataset: str
    license: str | None = None
    revision: str | None = None
    row: int | None = None


class Example(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The one record: a preference pair, a task, a scenario, a benchmark item, a training line.

    Make one with `Example.new`, which gives it its content id.  `recipe` is `name@version`; `tags`
    are written `key:value`.
    """

    id: str
    prompt: tuple[Message, ...] = ()
    responses: tuple[Response, ...] = ()
    labels: tuple[Label, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    task: Task | None = None
    questions: tuple[Question, ...] = ()
    source: Source | None = None
    parents: tuple[str, ...] = ()
    recipe: str | None = None
    tags: tuple[str, ...] = ()

    @staticmethod
    def new(
        prompt: Sequence[Message] = (),
        responses: Sequence[Response] = (),
        *,
        task: Task | None = None,
        questions: Sequence[Question] = (),
        candidates: Sequence[Candidate] = (),
        source: Source | None = None,
        parents: Sequence[str] = (),
        recipe: str | None = None,
        tags: Sequence[str] = (),
        occurrence: int = 0,
    ) -> Example:
        """A new Example with its content id.

        `occurrence` counts earlier rows of the same source with the same content; the second gets
        the id of the first with `-1` appended, so that rows in = rows out.
        """
        content = [prompt, task, [response.messages for response in responses]]
        number = f"-{occurrence}" if occurrence else ""
        return Example(
            id=digest(content) + number,
            prompt=tuple(prompt),
            responses=tuple(responses),
            task=task,
            questions=tuple(questions),
            candidates=tuple(candidates),
            source=source,
            parents=tuple(parents),
            recipe=recipe,
            tags=tuple(tags),
        )

    def tag(self, key: str) -> str | None:
        """The value of the first tag `key:value`, or None."""
        found = (t[len(key) + 1 :] for t in self.tags if t.startswith(f"{key}:"))
        return next(found, None)


class Reject(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What did not come through, and why: kept beside the results, never dropped.

    `reason` is short and the same for all of its kind, so that it can be counted; `detail` is the
    rest.  Either an `example` that a step rejected, or `raw`: a row of `file` that could not
    become one (the row's text as it was read).  `file` and `row` name the row that it came from.
    """

    step: str
    reason: str
    example: Example | None = None
    file: str | None = None
    row: int | None = None
    raw: str | None = None
    detail: str = ""

    @property
    def message(self) -> str:
        """Reason and detail in one line."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


def digest_texts(example: Example, about: tuple[int, ...]) -> tuple[str, ...]:
    """Digests of the prompt and of the responses that `about` names, in its order."""
    return (digest(example.prompt), *(digest(example.responses[i].messages) for i in about))


# ---- appending -------------------------------------------------------------------------------


def with_prompt(
    example: Example, prompt: tuple[Message, ...], candidates: tuple[Candidate, ...] = ()
) -> Example:
    """The example with the prompt that was induced for it; what else was considered stays."""
    if example.prompt:
        raise ValueError(f"example {example.id} has a prompt already")
    return msgspec.structs.replace(
        example, prompt=prompt, candidates=example.candidates + candidates
    )


def with_responses(example: Example, *responses: Response) -> Example:
    """The example with further responses."""
    return msgspec.structs.replace(example, responses=example.responses + responses)


def with_labels(example: Example, *labels: Label) -> Example:
    """The example with further labels; one that it holds already (by id) is not added twice.

    A label that no writer has stored yet follows all that the example has.
    """
    held = {label.id for label in example.labels}
    last = max((label.sequence for label in example.labels), default=0)
    new = tuple(
        with_writer(label, None, last + 1) if last and label.writer is None else label
        for label in labels
        if label.id not in held
    )
    return msgspec.structs.replace(example, labels=example.labels + new) if new else example


def with_tags(example: Example, *tags: str) -> Example:
    """The example with further tags, each at most once."""
    new = tuple(t for t in dict.fromkeys(tags) if t not in example.tags)
    return msgspec.structs.replace(example, tags=example.tags + new) if new else example
