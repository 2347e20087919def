"""A model whose answers are written beforehand: for tests, and for trying a recipe for free.

A script is a JSON list, or JSONL, of rules; the first whose `match` (a part of the last turn) or
`regex` (searched in it) fits, answers, and a rule with neither always fits.  A begun turn counts
as the last turn.  An answer may be a message that calls tools, if those are offered:

    {"match": "weather", "answers": ["It rains.", "It may rain."], "loglikelihoods": {"yes": -0.1}}
    {"regex": "^Write", "fail": "a failure on demand"}
    {"match": "rain", "answers": [{"role": "assistant", "content": "", "tool_calls": [
        {"id": "1", "name": "forecast", "arguments": "{}"}]}]}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.files.lines import read_text
from trueline.models.contract import Completion, ModelError, Unsupported
from trueline.records.types import Message, Sampling, Tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Answer = Callable[[Sequence[Message], Sampling, int], "str | Message | Completion"]
Loglikelihood = Callable[[Sequence[Message], str], float]


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """What is answered if the last turn fits; sample i gets answer i, from the start again after
    the last."""

    match: str = ""
    regex: str = ""
    answers: tuple[str | Message, ...] = ()
    loglikelihoods: dict[str, float] = {}
    fail: str | None = None

    def fits(self, text: str) -> bool:
        return self.match in text and re.search(self.regex, text) is not None


class Request(NamedTuple):
    """What a scripted model was asked."""

    messages: tuple[Message, ...]
    first: int
    n: int
    tools: tuple[Tool, ...] = ()
    start: str = ""


class Scripted:
    """Answers from functions; what they raise is the call's failure.

    A begun turn is handed to `answer` as the conversation's last.  `requests` holds each request,
    in order.
    """

    def __init__(
        self,
        answer: Answer,
        loglikelihood: Loglikelihood | None = None,
        *,
        identity: str = "scripted",
    ) -> None:
        self.identity = identity
        self.requests: list[Request] = []
        self._answer, self._loglikelihood = answer, loglikelihood

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        n: int = 1,
        first: int = 0,
        *,
        tools: Sequence[Tool] = (),
        start: str = "",
    ) -> list[Completion]:
        self.requests.append(Request(tuple(messages), first, n, tuple(tools), start))
        turns = (*messages, Message("assistant", start)) if start else messages
        answers = (self._answer(turns, sampling, i) for i in range(first, first + n))
        return [_completion(answer, turns, tools) for answer in answers]

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        if self._loglikelihood is None:
            raise Unsupported(f"{self.identity} gives no likelihoods")
        self.requests.append(Request(tuple(messages), 0, len(continuations)))
        return [self._loglikelihood(messages, text) for text in continuations]

    async def activations(
        self, messages: Sequence[Message], layers: Sequence[int]
    ) -> NDArray[np.float32]:
        raise Unsupported(f"{self.identity} has no activations")

    async def close(self) -> None:
        pass


def script(path: Path) -> Scripted:
    """The model that a script file describes; its identity is a digest of the rules.

    Raises InputError for a file that is missing or has a rule that cannot be read.
    """
    rules = _rules(path)

    def rule(messages: Sequence[Message]) -> Rule:
        text = messages[-1].content if messages else ""
        first = next((rule for rule in rules if rule.fits(text)), None)
        if first is None:
            raise ModelError(f"{path}: no rule fits the last turn")
        if first.fail is not None:
            raise ModelError(first.fail)
        return first

    def answer(messages: Sequence[Message], _sampling: Sampling, index: int) -> str | Message:
        answers = rule(messages).answers
        if not answers:
            raise ModelError(f"{path}: the rule that fits has no answers")
        return answers[index % len(answers)]

    def loglikelihood(messages: Sequence[Message], continuation: str) -> float:
        by_text = rule(messages).loglikelihoods
        if not by_text:
            raise Unsupported(f"{path}: the rule that fits gives no likelihoods")
        if continuation not in by_text:
            raise ModelError(f"{path}: the rule that fits has no likelihood for {continuation!r}")
        return by_text[continuation]

    return Scripted(answer, loglikelihood, identity=f"scripted:{digest(rules)}")


def _rules(path: Path) -> list[Rule]:
    raw = read_text(path)
    try:
        if raw.lstrip().startswith("["):
            return msgspec.json.decode(raw, type=list[Rule])
        lines = [line for line in raw.split("\n") if line.strip()]
        return [msgspec.json.decode(line, type=Rule) for line in lines]
    except msgspec.MsgspecError as error:
        raise InputError(
            f"{path}: a script is a JSON list, or JSONL, of rules with match or regex, and "
            f"answers, loglikelihoods or fail: {error}"
        ) from error


def _completion(
    answer: str | Message | Completion, messages: Sequence[Message], tools: Sequence[Tool]
) -> Completion:
    """Words stand in for tokens.  Raises ModelError for a call of a tool that is not offered."""
    if not isinstance(answer, Completion):
        texts = [m.content for m in messages] + [f"{t.name} {t.description}" for t in tools]
        message = Message("assistant", answer) if isinstance(answer, str) else answer
        answer = Completion(
            message,
            finish="tool_calls" if message.tool_calls else "stop",
            prompt_tokens=sum(len(text.split()) for text in texts),
            completion_tokens=len(message.content.split()),
        )
    offer = {tool.name for tool in tools}
    if missing := [c.name for c in answer.message.tool_calls if c.name not in offer]:
        raise ModelError(f"the script calls {missing[0]!r}, a tool that is not offered")
    return answer
