from tests.train.tiny import tiny_tokenizer

from trueline.models.local.weights import nano_folder
from trueline.train.data.templates import reverse_template

PUBLISHED = """\
Below is a response to a certain instruction. Write the instruction that the response is trying to complete.

### response:
The tea
is 'warm' & {{ready}}.

### Instruction:
"""  # noqa: E501
RESPONSE = "The tea\nis 'warm' & {{ready}}."


def test_the_reversed_template_is_the_published_one_byte_for_byte() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = reverse_template(tokenizer)
    asked = [{"role": "user", "content": RESPONSE}]
    read = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert read == PUBLISHED
    told = [*asked, {"role": "assistant", "content": "Is it?"}]
    assert tokenizer.apply_chat_template(told, tokenize=False) == PUBLISHED + "Is it?<|im_end|>"


def test_nano_was_reversed_with_the_same_template() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (nano_folder() / "reverse" / "chat_template.jinja").read_text()
    asked = [{"role": "user", "content": RESPONSE}]
    assert tokenizer.apply_chat_template(asked, tokenize=False) == PUBLISHED
