"""Chat templates that a method installs: text templates are chats of one turn each way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

REVERSE = (
    "Below is a response to a certain instruction. "
    "Write the instruction that the response is trying to complete.\n\n"
    "### response:\n{output}\n\n"
    "### Instruction:\n"
)
"""The template of Safer-Instruct (arXiv 2311.08685) as its authors published it, line for line;
the instruction follows on the next line."""


def reverse_template(tokenizer: PreTrainedTokenizerFast) -> str:
    """The Jinja chat template of a reversed model: the user's turn is the response, the
    assistant's the instruction.

    It begins with the tokenizer's begin token if that tokenizer puts one before every text,
    and ends with its end token.
    """
    begins = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    before, after = REVERSE.split("{output}")
    return "".join(
        [
            "{{- bos_token -}}" if begins else "",
            "{%- for message in messages -%}",
            "{%- if message['role'] == 'user' -%}",
            f"{{{{- {before!r} + message['content'] + {after!r} -}}}}",
            "{%- elif message['role'] == 'assistant' -%}",
            "{%- generation -%}{{- message['content'] + eos_token -}}{%- endgeneration -%}",
            "{%- else -%}",
            "{{- raise_exception('a reversed model reads one turn: the response') -}}",
            "{%- endif -%}",
            "{%- endfor -%}",
        ]
    )
