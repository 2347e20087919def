"""A conversation as the text a local model reads, whatever roles its chat template can hold."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from trueline.models.contract import ModelError, Unsupported, tool_schemas
from trueline.records.conversation import to_dicts
from trueline.records.types import Message, Tool

AS_IS = None
DEVELOPER = "developer->system"
SYSTEM = "system->user"
PLAIN = "plain"

_PROBE_MARKS = ("trueline-tool", "trueline-purpose", "trueline-argument")
_PROBE = Tool(
    _PROBE_MARKS[0],
    _PROBE_MARKS[1],
    json.dumps({"type": "object", "properties": {_PROBE_MARKS[2]: {"type": "string"}}}),
)


class Rendered(NamedTuple):
    """The text, and the rule by which roles were folded (None if nothing was)."""

    text: str
    folded: str | None


def fold(messages: Sequence[Message], rule: str | None) -> tuple[Message, ...]:
    """The conversation rewritten by a rule.

    `developer->system`: developer turns become system turns, joined to one that stands directly
    before by a blank line.  `system->user`: the texts of all system and developer turns, joined
    by blank lines, stand before the first user turn's.
    """
    if rule == DEVELOPER:
        return _developer_to_system(messages)
    if rule == SYSTEM:
        return _system_to_user(messages)
    return tuple(messages)


class Template:
    """A tokenizer's chat template, and what was found out about the roles it can hold.

    Whether a template holds a sequence of roles, and tools, is found by rendering it with marks in
    place of the texts: an exception, or a mark that is missing, and the next rule is tried.
    """

    def __init__(self, tokenizer: Any, *, plain: bool = False, opens: bool = True) -> None:
        self._tokenizer, self._plain, self._opens = tokenizer, plain, opens
        self._rules: dict[tuple[tuple[str, ...], bool], str | None] = {}
        marks = {str(t) for t in tokenizer.added_tokens_decoder.values() if t.special}
        longest = sorted(marks, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest))) if marks else None

    def render(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), start: str = ""
    ) -> Rendered:
        """The text up to where the assistant's next turn begins (without `opens`, to its end),
        and `start`, what that turn begins with.

        Raises ModelError for a conversation that the template cannot hold by any rule, and
        Unsupported for tools if the template shows none to the model.
        """
        if self._plain:
            if tools:
                raise Unsupported("a model without a chat template is offered no tools")
            texts = [message.content for message in messages]
            return Rendered("\n\n".join([*texts, start] if start else texts), PLAIN)
        rule = self._rule(messages, bool(tools))
        schemas = [self.inert(schema) for schema in tool_schemas(tools)]
        try:
            text = self._apply(fold(messages, rule), schemas)
        except Exception as error:
            raise ModelError(f"the chat template cannot render this: {error}") from error
        return Rendered(text + self.inert(start), rule)

    def _rule(self, messages: Sequence[Message], with_tools: bool) -> str | None:
        roles = tuple(m.role + ("+tools" if m.tool_calls else "") for m in messages)
        key = roles, with_tools
        if key not in self._rules:
            for rule in (AS_IS, DEVELOPER, SYSTEM):
                if self._holds(messages, rule, with_tools):
                    self._rules[key] = rule
                    break
            else:
                if with_tools:
                    self._rule(messages, False)  # raises if the turns alone are at fault
                    raise Unsupported("the chat template shows a model no tools")
                named = ", ".join(roles) or "no turns at all"
                raise ModelError(f"the chat template cannot hold a conversation of {named}")
        return self._rules[key]

    def _holds(self, messages: Sequence[Message], rule: str | None, with_tools: bool) -> bool:
        marks = [f"trueline{i}mark" for i in range(len(messages))]
        marked = [
            msgspec.structs.replace(message, content=mark, reasoning=None)
            for message, mark in zip(messages, marks, strict=True)
        ]
        try:
            text = self._apply(fold(marked, rule), tool_schemas([_PROBE]) if with_tools else ())
        except Exception:  # a template says so by raising whatever it likes
            return False
        expected = (*marks, *_PROBE_MARKS) if with_tools else marks
        return bool(marks) and all(mark in text for mark in expected)

    def _apply(self, messages: Sequence[Message], schemas: Sequence[dict[str, Any]]) -> str:
        offer = {"tools": list(schemas)} if schemas else {}
        text = self._tokenizer.apply_chat_template(
            self.turns(messages), tokenize=False, add_generation_prompt=self._opens, **offer
        )
        return str(text)

    def turns(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The messages as chat templates read them, their texts made inert.

        A text that spells a special token ("<|system|>") would be read as one and could open a
        turn of its own: a zero-width space after the first character keeps it text.
        """
        turns = to_dicts(messages)
        for turn in turns:
            for name in ("content", "reasoning_content"):
                if name in turn:
                    turn[name] = self.inert(turn[name])
            if "tool_calls" in turn:
                turn["tool_calls"] = [_parse_arguments(call) for call in turn["tool_calls"]]
        return turns

    def inert(self, value: Any) -> Any:
        """The value with every text in it, and every key, made inert."""
        if isinstance(value, str):
            return value if self._special is None else self._special.sub(_break_token, value)
        if isinstance(value, dict):
            return {self.inert(key): self.inert(part) for key, part in value.items()}
        return [self.inert(part) for part in value] if isinstance(value, list) else value


def _break_token(token: re.Match[str]) -> str:
    return f"{token[0][:1]}\u200b{token[0][1:]}"


def _developer_to_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    folded: list[Message] = []
    for message in messages:
        if message.role != "developer":
            folded.append(message)
        elif folded and folded[-1].role == "system":
            folded[-1] = Message("system", f"{folded[-1].content}\n\n{message.content}")
        else:
            folded.append(Message("system", message.content))
    return tuple(folded)


def _system_to_user(messages: Sequence[Message]) -> tuple[Message, ...]:
    above = [m.content for m in messages if m.role in ("system", "developer")]
    turns = [m for m in messages if m.role not in ("system", "developer")]
    place = next((i for i, m in enumerate(turns) if m.role == "user"), None)
    if place is None:
        return (Message("user", "\n\n".join(above)), *turns)
    turns[place] = Message("user", "\n\n".join([*above, turns[place].content]))
    return tuple(turns)


def _parse_arguments(call: dict[str, Any]) -> dict[str, Any]:
    """Templates expect a call's arguments as an object; text that is none is handed on."""
    function = call["function"]
    with suppress(ValueError):
        function = {**function, "arguments": json.loads(function["arguments"])}
    return {**call, "function": function}
