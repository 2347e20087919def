import pytest
from tests.train.tiny import CHATML, tiny_tokenizer

from trueline.files.errors import InputError
from trueline.records.types import Message, ToolCall
from trueline.train.data.encoder import Encoder
from trueline.train.data.preview import preview
from trueline.train.data.rows import Segment, TrainingRow, UnusableRow, truncate

USER = (Message("system", "be kind"), Message("user", "is the tea warm?"))
ANSWER = (Message("assistant", "the tea is warm"),)


def trained(encoder: Encoder, row: Segment) -> str:
    return encoder.tokenizer.decode([i for i, m in zip(row.ids, row.mask, strict=True) if m])


def test_exactly_the_answer_and_its_end_token_are_trained() -> None:
    encoder = Encoder(tiny_tokenizer())
    row = encoder.encode_completion(USER, ANSWER)
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
    assert (
        trained(encoder, encoder.encode_completion(prompt, ANSWER)) == "the tea is warm<|im_end|>"
    )
    both = encoder.encode_completion(prompt, ANSWER, earlier=True)
    assert trained(encoder, both) == "yes<|im_end|>the tea is warm<|im_end|>"


def test_tool_turns_in_an_answer_are_read_and_not_trained() -> None:
    encoder = Encoder(tiny_tokenizer())
    call = Message("assistant", "let me look", tool_calls=(ToolCall("a", "look", "{}"),))
    answer = (call, Message("tool", "it is 60 degrees", tool_call_id="a"), *ANSWER)
    shown = trained(encoder, encoder.encode_completion(USER, answer))
    assert shown == "let me look<|im_end|>the tea is warm<|im_end|>"


def test_a_system_turn_that_the_template_cannot_hold_is_folded_as_when_asked() -> None:
    no_system = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    )
    encoder = Encoder(tiny_tokenizer(no_system + CHATML))
    row = encoder.encode_completion(USER, ANSWER)
    read = encoder.tokenizer.decode(row.ids[: row.mask.index(True)])
    assert read.startswith("<|im_start|>user\nbe kind\n\nis the tea warm?<|im_end|>")


def test_a_generation_prompt_that_opens_more_than_the_turn_keeps() -> None:
    thinking = CHATML.replace("assistant\n' }}{% endif", "assistant\n<think>' }}{% endif")
    encoder = Encoder(tiny_tokenizer(thinking))
    assert trained(encoder, encoder.encode_completion(USER, ANSWER)) == "the tea is warm<|im_end|>"


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
        Encoder(tiny_tokenizer(template or "")).encode_completion(USER, ANSWER)


def test_a_template_that_rewrites_earlier_turns_cannot_be_masked() -> None:
    forgetful = CHATML.replace(
        "message['content']",
        "('' if message['role'] != 'assistant' or loop.last else 'earlier: ') + message['content']",
    )
    encoder = Encoder(tiny_tokenizer(forgetful))
    prompt = (*USER, Message("assistant", "yes"), Message("user", "and now?"))
    with pytest.raises(InputError, match="turn 3"):
        encoder.encode_completion(prompt, ANSWER, earlier=True)


def test_a_pair_shares_its_prompt_and_each_side_ends() -> None:
    encoder = Encoder(tiny_tokenizer())
    pair = encoder.encode_pair(USER, ANSWER, (Message("assistant", "the cat"),))
    assert [segment.name for segment in pair] == ["chosen", "rejected"]
    prompts = [s.ids[: s.mask.index(True)] for s in pair]
    assert prompts[0] == prompts[1]
    assert encoder.tokenizer.decode(prompts[0]).endswith("<|im_start|>assistant\n")
    texts = [trained(encoder, segment) for segment in pair]
    assert texts == ["the tea is warm<|im_end|>", "the cat<|im_end|>"]


def row(*sides: list[int], prompt: int) -> TrainingRow:
    """Sides of these tokens, of which those after the prompt count."""
    return TrainingRow(
        tuple(
            Segment(f"s{n}", ids, [i >= prompt for i in range(len(ids))])
            for n, ids in enumerate(sides)
        )
    )


def test_cutting_is_reported_and_never_takes_the_whole_answer() -> None:
    single = row([1, 2, 3, 4], prompt=2)
    assert truncate(single, 4) == single
    cut = truncate(single, 3)
    assert cut.truncated and cut.segments == row([1, 2, 3], prompt=2).segments
    with pytest.raises(UnusableRow, match="nothing that counts"):
        truncate(single, 2)
    pair = row([1, 2, 3, 4, 5], [1, 2, 3, 6], prompt=2)
    cut = truncate(pair, 4)
    assert cut.segments[0].ids == [1, 2, 3, 4] and cut.truncated
    with pytest.raises(UnusableRow, match="the same within"):
        truncate(pair, 3)
    with pytest.raises(UnusableRow, match="the same within"):
        truncate(row([1, 2], [1, 2], prompt=1), 9)


def test_the_preview_masks_content_unless_revealed() -> None:
    encoder = Encoder(tiny_tokenizer())
    row = encoder.encode_completion(USER, ANSWER)
    hidden = preview(encoder.tokenizer, "id", row, reveal=False)
    assert "tea" not in hidden.text and hidden.ids is None
    assert hidden.text.count("»") == 1 and hidden.text.endswith("<|im_end|>«")
    assert (hidden.tokens, hidden.trained) == (len(row.ids), sum(row.mask))
    shown = preview(encoder.tokenizer, "id", row, reveal=True)
    assert shown.text.endswith("assistant\n»the tea is warm<|im_end|>«") and shown.ids == row.ids
