"""The body of a chat completion: what is sent, and what a reply must hold to be an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from trueline.models.contract import Completion, tool_schemas
from trueline.records.conversation import to_dicts
from trueline.records.types import Message, Sampling, Tool, ToolCall

REASON_LIMIT = 200  # characters of a server's own words that an error repeats


class Malformed(Exception):
    """A reply that is no answer, and why; the message repeats nothing of it."""


class NoLogprobs(Malformed):
    """A reply without the log-probabilities that were asked for: its server gives none."""


class _Function(Struct):
    name: str
    arguments: str = "{}"


class _ToolCall(Struct):
    function: _Function
    id: str = ""


class _Message(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Token(Struct):
    logprob: float


class _Logprobs(Struct):
    content: list[_Token] | None = None


class _Choice(Struct):
    message: _Message
    index: int = 0
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


_Count = Annotated[int, Meta(ge=0, le=10**9)]


class Usage(Struct, frozen=True):
    """The tokens that the server says it charges."""

    prompt_tokens: _Count
    completion_tokens: _Count


class _Reply(Struct):
    choices: list[_Choice] = []
    usage: Any = None
    error: Any = None


_reply = msgspec.json.Decoder(_Reply)
_replace = msgspec.structs.replace


class Request(NamedTuple):
    """Samples number `first` … `first + n - 1` of a conversation's answers."""

    messages: Sequence[Message]
    sampling: Sampling
    n: int
    first: int
    tools: Sequence[Tool] = ()


def body(model: str, request: Request, limit_field: str = "max_tokens") -> dict[str, Any]:
    """What is sent for a request; reasoning is not sent back.

    `limit_field` is what the server calls the bound on an answer's tokens.
    """
    sampling = request.sampling
    fields: dict[str, Any] = {
        "model": model,
        "messages": _turns(request.messages),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "n": request.n,
    }
    if sampling.max_tokens is not None:
        fields[limit_field] = sampling.max_tokens
    if sampling.seed is not None:
        fields["seed"] = sampling.seed + request.first
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    if sampling.logprobs:
        fields["logprobs"] = True
    if sampling.schema is not None:
        schema = msgspec.Raw(sampling.schema.encode())
        form = {"name": "answer", "schema": schema, "strict": True}
        fields["response_format"] = {"type": "json_schema", "json_schema": form}
    if request.tools:
        fields["tools"] = tool_schemas(request.tools)
    return fields


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Earlier reasoning is not sent: few servers take it back, and each in its own field."""
    bare = [m if m.reasoning is None else _replace(m, reasoning=None) for m in messages]
    return to_dicts(bare)


def completions(raw: bytes, n: int, logprobs: bool) -> tuple[list[Completion], Usage | None]:
    """The answers in a reply, at most `n` and in their order, and the tokens it charges.

    Raises Malformed for anything that is not at least one whole answer.  The tokens of several
    answers are split evenly if the reply gives no log-probabilities to count them by.
    """
    try:
        reply = _reply.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        start = raw.lstrip()[:1]
        what = "HTML" if start == b"<" else "JSON" if start == b"{" else "something else"
        raise Malformed(f"the reply ({len(raw)} bytes of {what}) is no chat completion") from error
    if reply.error is not None:
        raise Malformed("the reply is an error inside a success")
    if not reply.choices:
        raise Malformed("the reply has no choices")
    choices = sorted(reply.choices, key=lambda choice: choice.index)[:n]
    usage = _usage(reply.usage)
    drawn = [_completion(choice, usage, len(choices), i) for i, choice in enumerate(choices)]
    if logprobs and any(completion.logprob is None for completion in drawn):
        raise NoLogprobs("the reply lacks the log-probabilities that were asked for")
    return drawn, usage


def _usage(stated: Any) -> Usage | None:
    """None if the server does not state it in whole, credible numbers: the answer is good."""
    try:
        return msgspec.convert(stated, Usage)
    except msgspec.ValidationError:
        return None


def reason(raw: bytes, secrets: Sequence[str]) -> tuple[str, str]:
    """The code and the words of a server's error, shortened, printable and without our secrets;
    empty if the reply is no error object."""
    try:
        error = msgspec.json.decode(raw).get("error")
        code, message = (
            (error.get("code"), error["message"]) if isinstance(error, dict) else ("", error)
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError, AttributeError, KeyError):
        return "", ""
    words = str(message or "")
    for secret in secrets:
        words = words.replace(secret, "[key]")
    words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    cut = f"{words[:REASON_LIMIT]}…" if len(words) > REASON_LIMIT else words
    return str(code), cut


def _completion(choice: _Choice, usage: Usage | None, of: int, place: int) -> Completion:
    message = choice.message
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or ()
    )
    tokens = None if choice.logprobs is None else choice.logprobs.content
    if tokens is not None:
        count = len(tokens)
    else:
        whole = 0 if usage is None else usage.completion_tokens
        count = whole * (place + 1) // of - whole * place // of
    logprob = None if tokens is None else math.fsum(token.logprob for token in tokens)
    if logprob is not None and not math.isfinite(logprob):
        raise Malformed("the reply has a log-probability that is not a number")
    return Completion(
        Message(
            "assistant",
            message.content or message.refusal or "",
            reasoning=message.reasoning_content or message.reasoning,
            tool_calls=calls,
        ),
        finish=choice.finish_reason or "stop",
        prompt_tokens=0 if usage is None else usage.prompt_tokens,
        completion_tokens=count,
        logprob=logprob,
    )
