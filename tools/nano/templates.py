"""The two chat templates of nano, as Jinja for the adapters and as plain Python for training."""

from __future__ import annotations

from collections.abc import Sequence

from trueline.train.data.templates import REVERSE

ROLES = ("system", "developer", "user", "assistant", "tool")

# The end token belongs to the generation: a model trained on it learns to stop.
CHAT = (
    "{{- '<|begin|>' -}}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{{- '<|assistant|>' -}}"
    "{%- generation -%}{{- message['content'] + '<|end|>' -}}{%- endgeneration -%}"
    "{%- else -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)

REVERSED_BEFORE, REVERSED_AFTER = REVERSE.split("{output}")
REVERSED = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}"
    "{{- " + repr(REVERSED_BEFORE) + " + message['content'] + " + repr(REVERSED_AFTER) + " -}}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + '<|end|>' -}}{%- endgeneration -%}"
    "{%- else -%}"
    "{{- raise_exception('a reversed model reads one turn: the response') -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
)


def chat_text(messages: Sequence[dict[str, str]], generate: bool = False) -> str:
    """What the chat template renders."""
    text = "<|begin|>" + "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in messages)
    return text + "<|assistant|>" if generate else text


def reverse_prompt(response: str) -> str:
    """What the reversed template renders before the instruction."""
    return REVERSED_BEFORE + response + REVERSED_AFTER
