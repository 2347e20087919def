"""A model whose answers are written beforehand: for tests, and for trying a recipe for free.

A script is a JSON list, or JSONL, of rules; the first whose `match` (a part of the last turn) or
`regex` (searched in it) fits, answers, and a rule with neither always fits:

    {"match": "weather", "answers": ["It rains.", "It may rain."], "loglikelihoods": {"yes": -0.1}}
    {"regex": "^Write", "fail": "a failure on demand"}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.files.lines import read_text
from trueline.models.contract import Completion, ModelError, Unsupported
from trueline.records.types import Message, Sampling

Answer = Callable[[Sequence[Message], Sampling, int], "str | Completion"]
Loglikelihood = Callable[[Sequence[Message], str], float]


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """What is answered where the last turn fits; sample i gets answer i, from the start again
    behind the last."""

    match: str = ""
    regex: str = ""
    answers: tuple[str, ...] = ()
    loglikelihoods: dict[str, float] = {}
    fail: str | None = None

    def fits(self, text: str) -> bool:
        return self.match in text and re.search(self.regex, text) is not None


class Scripted:
    """Answers from functions; what they raise is the call's failure.

    `requests` holds (messages, first sample, number of samples) of each request, in order.
    """

    def __init__(
        self,
        answer: Answer,
        loglikelihood: Loglikelihood | None = None,
        *,
        identity: str = "scripted",
    ) -> None:
        self.identity = identity
        self.requests: list[tuple[tuple[Message, ...], int, int]] = []
        self._answer, self._loglikelihood = answer, loglikelihood

    async def generate(
        self, messages: Sequence[Message], sampling: Sampling, n: int = 1, first: int = 0
    ) -> list[Completion]:
        self.requests.append((tuple(messages), first, n))
        drawn = (self._answer(messages, sampling, i) for i in range(first, first + n))
        return [_completion(answer, messages) for answer in drawn]

    async def loglikelihood(
        self, messages: Sequence[Message], continuations: Sequence[str]
    ) -> list[float]:
        if self._loglikelihood is None:
            raise Unsupported(f"{self.identity} gives no likelihoods")
        self.requests.append((tuple(messages), 0, len(continuations)))
        return [self._loglikelihood(messages, text) for text in continuations]

    async def close(self) -> None:
        pass


def script(path: Path) -> Scripted:
    """The model that a script file describes; its identity is a digest of the rules.

    Raises InputError for a file that is missing or has a rule that cannot be read.
    """
    rules = _rules(path)

    def rule(messages: Sequence[Message]) -> Rule:
        text = messages[-1].content if messages else ""
        found = next((rule for rule in rules if rule.fits(text)), None)
        if found is None:
            raise ModelError(f"{path}: no rule fits the last turn")
        if found.fail is not None:
            raise ModelError(found.fail)
        return found

    def answer(messages: Sequence[Message], _sampling: Sampling, index: int) -> str:
        answers = rule(messages).answers
        if not answers:
            raise ModelError(f"{path}: the rule that fits has no answers")
        return answers[index % len(answers)]

    def loglikelihood(messages: Sequence[Message], continuation: str) -> float:
        given = rule(messages).loglikelihoods
        if not given:
            raise Unsupported(f"{path}: the rule that fits gives no likelihoods")
        if continuation not in given:
            raise ModelError(f"{path}: the rule that fits has no likelihood for {continuation!r}")
        return given[continuation]

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


def _completion(answer: str | Completion, messages: Sequence[Message]) -> Completion:
    """Words stand in for tokens."""
    if isinstance(answer, Completion):
        return answer
    return Completion(
        Message("assistant", answer),
        prompt_tokens=sum(len(m.content.split()) for m in messages),
        completion_tokens=len(answer.split()),
    )
