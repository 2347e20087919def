import pytest
from tests.train.tiny import CHATML, tiny_tokenizer

from trueline.files.errors import InputError
from trueline.records.types import Message, ToolCall
from trueline.train.data.preview import preview
from trueline.train.data.tokens import Encoder, Row, Unfit, cut
from trueline.train.data.turns import Preference

USER = (Message("system", "be kind"), Message("user", "is the tea warm?"))
ANSWER = (Message("assistant", "the tea is warm"),)


def trained(encoder: Encoder, row: Row) -> str:
    return encoder.tokenizer.decode([i for i, m in zip(row.ids, row.mask, strict=True) if m])


def test_exactly_the_answer_and_its_end_token_are_trained() -> None:
    encoder = Encoder(tiny_tokenizer())
    row = encoder.row(USER, ANSWER)
    assert trained(encoder, row) == "the tea is warm<|im_end|>"
    read = row.ids[: row.mask.index(True)]
    asked = encoder.tokenizer.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in USER],
        add_generation_prompt=True,
        return_dict=False,
    )
    assert read == asked  # what the model reads in training is what it reads when asked
    assert row.mask == sorted(row.mask)


def test_earlier_turns_are_trained_on_request_only() -> None:
    encoder = Encoder(tiny_tokenizer())
    prompt = (*USER, Message("assistant", "yes"), Message("user", "and now?"))
    assert trained(encoder, encoder.row(prompt, ANSWER)) == "the tea is warm<|im_end|>"
    both = encoder.row(prompt, ANSWER, earlier=True)
    assert trained(encoder, both) == "yes<|im_end|>the tea is warm<|im_end|>"


def test_tool_turns_in_an_answer_are_read_and_not_trained() -> None:
    encoder = Encoder(tiny_tokenizer())
    call = Message("assistant", "let me look", tool_calls=(ToolCall("a", "look", "{}"),))
    answer = (call, Message("tool", "it is 60 degrees", tool_call_id="a"), *ANSWER)
    shown = trained(encoder, encoder.row(USER, answer))
    assert shown == "let me look<|im_end|>the tea is warm<|im_end|>"


def test_a_system_turn_that_the_template_cannot_hold_is_folded_as_when_asked() -> None:
    no_system = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    )
    encoder = Encoder(tiny_tokenizer(no_system + CHATML))
    row = encoder.row(USER, ANSWER)
    read = encoder.tokenizer.decode(row.ids[: row.mask.index(True)])
    assert read.startswith("<|im_start|>user\nbe kind\n\nis the tea warm?<|im_end|>")


def test_a_generation_prompt_that_opens_more_than_the_turn_keeps() -> None:
    thinking = CHATML.replace("assistant\n' }}{% endif", "assistant\n<think>' }}{% endif")
    encoder = Encoder(tiny_tokenizer(thinking))
    assert trained(encoder, encoder.row(USER, ANSWER)) == "the tea is warm<|im_end|>"


@pytest.mark.parametrize(
    "template, message",
    [
        (None, "no chat template"),
        (CHATML.replace("'<|im_end|>' + ", ""), "never learn to stop"),
    ],
)
def test_a_template_under_which_nothing_is_learnt_rightly(
    template: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Encoder(tiny_tokenizer(template or "")).row(USER, ANSWER)


def test_a_template_that_rewrites_earlier_turns_cannot_be_masked() -> None:
    forgetful = CHATML.replace(
        "message['content']",
        "('' if message['role'] != 'assistant' or loop.last else 'earlier: ') + message['content']",
    )
    encoder = Encoder(tiny_tokenizer(forgetful))
    prompt = (*USER, Message("assistant", "yes"), Message("user", "and now?"))
    with pytest.raises(InputError, match="turn 3"):
        encoder.row(prompt, ANSWER, earlier=True)


def test_a_pair_shares_its_prompt_and_each_side_ends() -> None:
    encoder = Encoder(tiny_tokenizer())
    found = encoder.pair(Preference(USER, ANSWER, (Message("assistant", "the cat"),)))
    decode = encoder.tokenizer.decode
    assert decode(found["prompt_ids"]).endswith("<|im_start|>assistant\n")
    assert decode(found["chosen_ids"]) == "the tea is warm<|im_end|>"
    assert decode(found["rejected_ids"]) == "the cat<|im_end|>"


def test_cutting_is_reported_and_never_takes_the_whole_answer() -> None:
    row = Row([1, 2, 3, 4], [False, False, True, True])
    assert cut(row, 4) == (row, False)
    assert cut(row, 3) == (Row([1, 2, 3], [False, False, True]), True)
    with pytest.raises(Unfit, match="prompt alone"):
        cut(row, 2)
    pair = {"prompt_ids": [1, 2], "chosen_ids": [3, 4, 5], "rejected_ids": [3, 6]}
    assert cut(pair, 4)[0]["chosen_ids"] == [3, 4] and cut(pair, 4)[1]
    with pytest.raises(Unfit, match="the same within"):
        cut(pair, 3)


def test_the_preview_masks_content_unless_revealed() -> None:
    encoder = Encoder(tiny_tokenizer())
    row = encoder.row(USER, ANSWER)
    hidden = preview(encoder.tokenizer, "id", "row", row.ids, row.mask, reveal=False)
    assert "tea" not in hidden.text and hidden.ids is None
    assert hidden.text.count("»") == 1 and hidden.text.endswith("<|im_end|>«")
    assert (hidden.tokens, hidden.trained) == (len(row.ids), sum(row.mask))
    shown = preview(encoder.tokenizer, "id", "row", row.ids, row.mask, reveal=True)
    assert shown.text.endswith("assistant\n»the tea is warm<|im_end|>«") and shown.ids == row.ids
