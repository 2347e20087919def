"""Conversations → the exact tokens trained on, and which of them count.

One place decides this for every method, so that what is shown before the first step is what is
trained.  A turn's tokens that count are those that the model itself would write there: what the
chat template puts behind its own generation prompt, up to and with the token that ends the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.models.contract import ModelError
from trueline.models.local.templates import Template, fold
from trueline.train.data.turns import Preference, Turns

HOW = "give one with --chat-template FILE"


class Row(Struct, frozen=True):
    """Token ids of one conversation; `mask` is true where a token is trained."""

    ids: list[int]
    mask: list[bool]


class Unfit(Exception):
    """A row that cannot be trained on; the message is the reason under which it is counted."""


class Encoder:
    """Renders conversations with a tokenizer's chat template.

    `ends` are the ids at which the model stops; with those of the tokenizer's special tokens they
    may end a turn.  Raises InputError for a template under which nothing could be learnt rightly.
    """

    def __init__(self, tokenizer: Any, ends: Sequence[int] = ()) -> None:
        if not tokenizer.is_fast:
            raise InputError("training needs a fast tokenizer (tokenizer.json), to place the mask")
        if not tokenizer.chat_template:
            raise InputError(f"the model has no chat template: {HOW}")
        self.tokenizer = tokenizer
        self._template = Template(tokenizer)
        added = set(tokenizer.get_added_vocab().values())
        self.ends = ({tokenizer.eos_token_id, *ends} - {None}) | added
        self._end_texts = tuple(tokenizer.convert_ids_to_tokens(sorted(self.ends)))

    def row(self, prompt: Turns, answer: Turns, earlier: bool = False) -> Row:
        """The conversation up to the end of the answer; the assistant's turns in the answer are
        trained, with `earlier` those in the prompt too.

        Roles that the template cannot hold are folded as when the model is asked (Template).
        """
        try:
            prompt = fold(prompt, self._template.render(prompt).folded)
        except ModelError as error:
            raise Unfit(str(error)) from None
        turns = prompt + answer
        begin = 0 if earlier else len(prompt)
        trained = [i for i, m in enumerate(turns) if i >= begin and m.role == "assistant"]
        return self._tokens(self._template.turns(turns), trained)

    def pair(self, row: Preference) -> dict[str, list[int]]:
        """A row for TRL's DPO collator: ids of the prompt, and of each answer behind it."""
        chosen, rejected = (self.row(row.prompt, a) for a in (row.chosen, row.rejected))
        cut = min(chosen.mask.index(True), rejected.mask.index(True))
        if chosen.ids[:cut] != rejected.ids[:cut]:
            raise InputError("the chat template renders one prompt in two ways for two answers")
        return {
            "prompt_ids": chosen.ids[:cut],
            "chosen_ids": chosen.ids[cut:],
            "rejected_ids": rejected.ids[cut:],
        }

    def _tokens(self, chat: list[dict[str, Any]], trained: Sequence[int]) -> Row:
        text = self._render(chat)
        spans = [self._span(text, chat, turn) for turn in trained]
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = found["input_ids"], found["offset_mapping"]
        # a token that straddles the start of a turn is learnt: the model has to write its end
        mask = [any(b > start and a < end for start, end in spans) for a, b in offsets]
        if not any(mask):
            raise InputError("the chat template leaves nothing of the answer to train on")
        last = len(mask) - mask[::-1].index(True)
        if ids[last - 1] not in self.ends:
            raise InputError(
                "the chat template does not end the assistant's turn with an end token, so the "
                f"model would never learn to stop: one that writes {{{{ eos_token }}}} there is "
                f"needed, {HOW}"
            )
        return Row(list(ids[:last]), mask[:last])

    def _span(self, text: str, chat: list[dict[str, Any]], turn: int) -> tuple[int, int]:
        """Where in the text the model's own part of a turn begins and ends, in characters."""
        after = self._render(chat[: turn + 1])
        before = self._render(chat[:turn], prompt=True)
        both = zip(before, after, strict=False)
        # some templates open in the generation prompt what they leave out of the finished turn:
        # the turn begins where the two part
        start = next((i for i, (a, b) in enumerate(both) if a != b), min(len(before), len(after)))
        if not text.startswith(after) or start < len(self._render(chat[:turn])):
            raise InputError(
                f"the chat template renders turn {turn + 1} otherwise once others follow, so no "
                f"mask fits: train the last turn only, or another template is needed, {HOW}"
            )
        closed = after.rstrip()
        return start, len(closed) if closed.endswith(self._end_texts) else len(after)

    def _render(self, chat: list[dict[str, Any]], prompt: bool = False) -> str:
        if not chat:
            return ""
        apply = self.tokenizer.apply_chat_template
        return str(apply(chat, tokenize=False, add_generation_prompt=prompt))


def cut(found: dict[str, list[int]] | Row, most: int) -> tuple[Any, bool]:
    """A row or pair of at most `most` tokens, and whether its end had to go.

    Raises Unfit where nothing of an answer would be left.
    """
    if isinstance(found, Row):
        if len(found.ids) <= most:
            return found, False
        if not any(found.mask[:most]):
            raise Unfit(f"the prompt alone fills --max-length {most}")
        return Row(found.ids[:most], found.mask[:most]), True
    room = most - len(found["prompt_ids"])
    if room <= 0:
        raise Unfit(f"the prompt alone fills --max-length {most}")
    sides = {k: found[k][:room] for k in ("chosen_ids", "rejected_ids")}
    if sides["chosen_ids"] == sides["rejected_ids"]:
        raise Unfit(f"the answers are the same within --max-length {most}")
    return {"prompt_ids": found["prompt_ids"], **sides}, any(
        len(found[k]) > room for k in ("chosen_ids", "rejected_ids")
    )
