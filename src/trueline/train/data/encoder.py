"""Conversations → the exact tokens trained on, and which of them count.

One place decides this for every method, so that what is shown before the first step is what is
trained.  A turn's tokens that count are those that the model itself would write there: what the
chat template puts after its own generation prompt, up to and with the token that ends the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trueline.files.errors import InputError
from trueline.models.contract import ModelError
from trueline.models.local.templates import Template, fold
from trueline.train.data.rows import Segment, UnusableRow
from trueline.train.data.turns import Turns

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MEND = "give one with --chat-template FILE"

Chat = list[dict[str, object]]


class Encoder:
    """Renders conversations with a tokenizer's chat template.

    `ends` are the ids at which the model stops; with those of the tokenizer's special tokens they
    may end a turn.  Raises InputError for a template under which nothing could be learnt rightly.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, ends: Sequence[int] = ()) -> None:
        if not tokenizer.is_fast:
            raise InputError("training needs a fast tokenizer (tokenizer.json), to place the mask")
        if not tokenizer.chat_template:
            raise InputError(f"the model has no chat template: {MEND}")
        self.tokenizer = tokenizer
        self._template = Template(tokenizer)
        self._finished = Template(tokenizer, opens=False)
        added = set(tokenizer.get_added_vocab().values())
        self.ends = ({tokenizer.eos_token_id, *ends} - {None}) | added
        self._end_texts = tuple(tokenizer.convert_ids_to_tokens(sorted(self.ends)))

    def encode_completion(self, prompt: Turns, answer: Turns, earlier: bool = False) -> Segment:
        """The conversation up to the end of the answer; the assistant's turns in the answer
        count, with `earlier` those in the prompt too.

        Roles that the template cannot hold are folded as when the model is asked (Template).
        Raises UnusableRow if it cannot hold them folded either.
        """
        try:
            prompt = fold(prompt, self._template.render(prompt).folded)
        except ModelError as error:
            raise UnusableRow(str(error)) from None
        turns = prompt + answer
        begin = 0 if earlier else len(prompt)
        trained = [i for i, m in enumerate(turns) if i >= begin and m.role == "assistant"]
        return self._mask(self._template.turns(turns), trained)

    def encode_pair(self, prompt: Turns, chosen: Turns, rejected: Turns) -> tuple[Segment, Segment]:
        """Segments `chosen` and `rejected`: one prompt, and each answer after it."""
        better, worse = (self.encode_completion(prompt, answer) for answer in (chosen, rejected))
        shared = min(better.mask.index(True), worse.mask.index(True))
        if better.ids[:shared] != worse.ids[:shared]:
            raise InputError("the chat template renders one prompt in two ways for two answers")
        return _answer("chosen", better.ids, shared), _answer("rejected", worse.ids, shared)

    def encode_scored(self, name: str, turns: Turns) -> Segment:
        """A whole conversation as a classifier reads it (models/local/classifier); what counts is
        the token at which transformers reads the score: the last one that is no padding.

        Raises UnusableRow if the template cannot hold the conversation.
        """
        try:
            text = self._finished.render(turns).text
        except ModelError as error:
            raise UnusableRow(str(error)) from None
        ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        scored = max(i for i, token in enumerate(ids) if token != self.tokenizer.pad_token_id)
        return Segment(name, ids, [i == scored for i in range(len(ids))])

    def _mask(self, chat: Chat, trained: Sequence[int]) -> Segment:
        text = self._render(chat)
        spans = [self._span(text, chat, turn) for turn in trained]
        encoding = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoding["input_ids"], encoding["offset_mapping"]
        # a token that straddles the start of a turn is learnt: the model has to write its end
        mask = [any(b > start and a < end for start, end in spans) for a, b in offsets]
        if not any(mask):
            raise InputError("the chat template leaves nothing of the answer to train on")
        last = len(mask) - mask[::-1].index(True)
        if ids[last - 1] not in self.ends:
            raise InputError(
                "the chat template does not end the assistant's turn with an end token, so the "
                f"model would never learn to stop: one that writes {{{{ eos_token }}}} there is "
                f"needed, {MEND}"
            )
        return Segment("row", list(ids[:last]), mask[:last])

    def _span(self, text: str, chat: Chat, turn: int) -> tuple[int, int]:
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
                f"mask fits: train the last turn only, or another template is needed, {MEND}"
            )
        closed = after.rstrip()
        return start, len(closed) if closed.endswith(self._end_texts) else len(after)

    def _render(self, chat: Chat, prompt: bool = False) -> str:
        if not chat:
            return ""
        apply = self.tokenizer.apply_chat_template
        return str(apply(chat, tokenize=False, add_generation_prompt=prompt))


def _answer(name: str, ids: list[int], prompt: int) -> Segment:
    return Segment(name, ids, [i >= prompt for i in range(len(ids))])
