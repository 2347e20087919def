"""Every instrument as a function from a recorded input to what it says, both plain JSON.

`version` is what the instrument's hash holds of its behaviour: its VERSION, and digests of the
words and data that it works with.  Models answer by script: their identity is in the hash apart.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from trueline.files import plugins
from trueline.files.hashing import digest
from trueline.labellers import checks, classifier, grader, guard
from trueline.labellers.guarded import Guarded
from trueline.labellers.judge import judge, loglikelihood
from trueline.labellers.judge.prompt import Template
from trueline.labellers.refusal import refusal
from trueline.models.contract import Completion, Unsupported
from trueline.models.local.classifier import Scores
from trueline.models.scripted import Scripted
from trueline.policy.load import load
from trueline.records.types import Example, Label, Message, Question, Response, Sampling, Task
from trueline.sandbox.pool import Limits, Sandbox

POLICY = load()
LIMITS = Limits(wall=20.0, cpu=10)  # no case comes near them, on a busy machine either
DIGITS = 6
MACHINE = (
    (r"confined by .*\Z", "confined by …"),
    (r"Python 3\.\d+", "Python …"),
    (r"(Syntax|Indentation)Error: .* \(<", r"\1Error: … (<"),
)
"""What differs by machine in a grader's words: the layers, which are to change no answer, and the
Python, which its hash covers."""

Json = dict[str, Any]


class Instrument(NamedTuple):
    """`answer` takes a recorded input and gives what is recorded of it."""

    version: list[int | str]
    answer: Callable[[Json], Awaitable[Any]]


def build_example(given: Json) -> Example:
    """`prompt` is a user's text or (role, content) turns; `responses` are texts."""
    prompt = given.get("prompt", "")
    turns = [["user", prompt]] if isinstance(prompt, str) else prompt
    return Example.new(
        [Message(role, content) for role, content in turns if content],
        [Response((Message("assistant", text),)) for text in given.get("responses", [])],
        task=msgspec.convert(given.get("task"), Task | None),
    )


def build_questions(given: Json) -> list[Question]:
    """A name is a question of the policy, anything else a whole question."""
    return [
        POLICY[one] if isinstance(one, str) else msgspec.convert(one, Question)
        for one in given["questions"]
    ]


def format_labels(labels: Sequence[Label]) -> list[Json]:
    """What the labels say, without ids and hashes."""
    kept = ("question", "about", "value", "unscored", "probability", "note")
    return [
        {name: value for name in kept if (value := getattr(label, name)) is not None}
        for label in labels
    ]


def rounded(value: Any) -> Any:
    """Plain JSON, numbers to DIGITS."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def script_model(given: Json, requests: list[Json]) -> Scripted:
    """A model that gives `replies` one after the other, the last for ever, and `scores` where the
    input has them; it takes a schema if `schema` says so, and keeps what it was asked."""
    replies = list(given.get("replies", [""]))
    scores = given.get("scores")

    def answer(messages: Sequence[Message], sampling: Sampling, _index: int) -> Completion:
        if sampling.schema is not None and not given.get("schema"):
            raise Unsupported("no schema")
        requests.append({"turns": [[m.role, m.content] for m in messages]})
        if sampling.schema is not None:
            requests[-1]["schema"] = sampling.schema
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        text, finish = (reply, "stop") if isinstance(reply, str) else reply
        return Completion(Message("assistant", text), finish)

    def score(messages: Sequence[Message], continuation: str) -> float:
        if requests and requests[-1].get("turns") == [[m.role, m.content] for m in messages]:
            requests[-1].setdefault("continuations", []).append(continuation)
        else:
            turns = [[m.role, m.content] for m in messages]
            requests.append({"turns": turns, "continuations": [continuation]})
        return float(scores[continuation])

    return Scripted(answer, None if scores is None else score)


def check_instrument(name: str) -> Instrument:
    module = plugins.find(checks.CHECKS, name)

    async def answer(given: Json) -> Any:
        example = build_example({"task": given["task"], "responses": [given["response"]]})
        [label] = format_labels(
            await Guarded(checks.Check(name)).label(example, [POLICY[module.QUESTION]])
        )
        return {key: label[key] for key in ("value", "unscored", "note") if key in label}

    return Instrument([checks.VERSION, module.VERSION], answer)


def guard_instrument(form: str) -> Instrument:
    walk = POLICY.crosswalks.get(guard.FORMS[form].crosswalk or "")

    async def answer(given: Json) -> Any:
        requests: list[Json] = []
        labeller = Guarded(guard.Guard(script_model(given, requests), "g", form, POLICY))
        labels = await labeller.label(build_example(given), build_questions(given))
        return {"requests": requests, "labels": format_labels(labels)}

    return Instrument([guard.VERSION, guard.FORMS[form].version, digest(walk)], answer)


async def answer_judge(given: Json) -> Any:
    requests: list[Json] = []
    model = script_model(given, requests)
    labeller = Guarded(judge.Judge(model, "j", write=given.get("write", False)))
    labels = await labeller.label(build_example(given), build_questions(given))
    return {"requests": requests, "labels": format_labels(labels)}


async def answer_refusal(given: Json) -> Any:
    labeller, text = Guarded(refusal.Refusal()), given["response"]
    example = build_example({"prompt": given["prompt"], "responses": [text]})
    [label] = format_labels(await labeller.label(example, [POLICY["refusal"]]))
    said = refusal.probabilities(refusal.shipped()[0], given["prompt"], text)
    kept = {key: label[key] for key in ("value", "probability", "note") if key in label}
    return kept | {"probabilities": [float(each) for each in said]}


class ScriptedHead:
    """A classification head whose logits are written beforehand."""

    name = identity = "scripted"

    def __init__(self, given: Json, requests: list[Json]) -> None:
        self.kind, self.labels = given["kind"], tuple(given["labels"])
        self._given, self._requests = given, requests

    async def scores(
        self, prompt: Sequence[Message], response: Sequence[Message], *, chat: bool
    ) -> Scores:
        sides = [[[m.role, m.content] for m in side] for side in (prompt, response)]
        self._requests.append({"prompt": sides[0], "response": sides[1], "chat": chat})
        return Scores(tuple(map(float, self._given["logits"])), self._given.get("cut"))


async def answer_classifier(given: Json) -> Any:
    requests: list[Json] = []
    head: Any = ScriptedHead(given, requests)
    mapping = msgspec.convert(given["mapping"], classifier.Mapping)
    labeller = Guarded(classifier.Classifier(head, mapping, POLICY))
    labels = await labeller.label(build_example(given), build_questions(given))
    return {"requests": requests, "labels": format_labels(labels)}


async def answer_grader(given: Json) -> Any:
    [question] = build_questions(given)
    async with Sandbox(limits=LIMITS, workers=1) as sandbox:
        labeller = Guarded(grader.Grader(sandbox, question, source=given.get("source")))
        labels = await labeller.label(build_example(given), [question])
    said = format_labels(labels)
    for label in said:
        for key in {"note", "unscored"} & label.keys():
            for pattern, words in MACHINE:
                label[key] = re.sub(pattern, words, label[key])
    return said


WORDS = digest([Template().source, loglikelihood.TEMPLATE])

INSTRUMENTS: dict[str, Instrument] = {
    **{f"check.{name}": check_instrument(name) for name in plugins.names(checks.CHECKS)},
    **{f"guard.{form}": guard_instrument(form) for form in guard.FORMS},
    "judge": Instrument([judge.VERSION, WORDS], answer_judge),
    "refusal": Instrument([refusal.VERSION, refusal.shipped()[1]], answer_refusal),
    "classifier": Instrument([classifier.VERSION], answer_classifier),
    "grader": Instrument([grader.VERSION], answer_grader),
}
