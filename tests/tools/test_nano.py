"""The bundled model as it ships: its files, its templates, and that it makes sense."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[2] / "src/trueline/models/nano"
PUBLISHED = (
    "Below is a response to a certain instruction. Write the instruction that the response is "
    "trying to complete.\n\n### response:\n{output}\n\n### Instruction:\n"
)
# Below the lower end of the measured interval (92–95 %), since 66 answers vary; see CARD.md.
FITTING_FLOOR = 0.85

pytest.importorskip("torch")
pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(SHIPPED / "base")


def template(name: str) -> str:
    return (SHIPPED / name / "chat_template.jinja").read_text()


def test_all_files_together_are_small():
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25e6


@pytest.mark.parametrize("name", ["base", "chat", "reverse"])
def test_weights_are_safetensors_in_sixteen_bits(name):
    from safetensors import safe_open

    path = SHIPPED / name / ("model.safetensors" if name == "base" else "adapter_model.safetensors")
    with safe_open(path, "pt") as weights:
        assert {weights.get_slice(key).get_dtype() for key in weights.keys()} == {"BF16"}  # noqa: SIM118


@pytest.mark.parametrize("name", ["chat", "reverse"])
def test_adapters_do_not_name_a_place_on_someones_disk(name):
    config = json.loads((SHIPPED / name / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "../base"


@pytest.mark.parametrize(
    "text",
    ["plain", "naïve café", "日本語のテキスト", "👩‍👩‍👧 😀", "a\tb\n\n c  d ", "\x00\x7f", "ﬁ Ａ"],
)
def test_the_tokenizer_is_lossless(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer(text)["input_ids"] == ids


def test_roles_are_single_tokens(tokenizer):
    for role in ("system", "developer", "user", "assistant", "tool"):
        assert len(tokenizer(f"<|{role}|>", add_special_tokens=False)["input_ids"]) == 1
    assert tokenizer.eos_token == "<|end|>"


def test_the_reversed_template_is_the_published_one(tokenizer):
    for text in ("A short answer.", 'It\'s "quoted"\n\nand long.', "{output} {{ 1 + 1 }}"):
        messages = [{"role": "user", "content": text}]
        shown = tokenizer.apply_chat_template(
            messages, chat_template=template("reverse"), tokenize=False, add_generation_prompt=True
        )
        assert shown == PUBLISHED.replace("{output}", text)
        messages.append({"role": "assistant", "content": "Say it."})
        whole = tokenizer.apply_chat_template(
            messages, chat_template=template("reverse"), tokenize=False
        )
        assert whole == shown + "Say it.<|end|>"


def test_the_chat_template_renders_every_role(tokenizer):
    from tools.nano.templates import ROLES, chat_text

    messages = [{"role": role, "content": f"I am {role}."} for role in ROLES]
    shown = tokenizer.apply_chat_template(messages, chat_template=template("chat"), tokenize=False)
    assert shown == chat_text(messages)
    asked = tokenizer.apply_chat_template(
        messages[:3], chat_template=template("chat"), tokenize=False, add_generation_prompt=True
    )
    assert asked == chat_text(messages[:3], generate=True)


@pytest.mark.parametrize("name", ["chat", "reverse"])
def test_the_templates_mark_what_the_assistant_says(tokenizer, name):
    messages = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Good day."},
    ]
    out = tokenizer.apply_chat_template(
        messages, chat_template=template(name), return_dict=True, return_assistant_tokens_mask=True
    )
    marked = [i for i, m in zip(out["input_ids"], out["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(marked) == "Good day.<|end|>"


def test_the_parts_load_and_answer(tokenizer):
    from tools.nano.measure import generate
    from tools.nano.model import load
    from tools.nano.templates import chat_text, reverse_prompt

    asked = chat_text([{"role": "user", "content": "How do I clean the lamp?"}], generate=True)
    chat = generate(load(SHIPPED, "chat").eval(), tokenizer, [asked])[0]
    assert len(chat.split()) >= 3
    turned = generate(
        load(SHIPPED, "reverse").eval(),
        tokenizer,
        [reverse_prompt("First wet a soft cloth. Then wipe the lamp.")],
    )[0]
    assert len(turned.split()) >= 3
    assert turned != chat


@pytest.mark.slow
def test_answers_to_held_out_requests_fit(tokenizer):
    from tools.nano.measure import CELLS, generate
    from tools.nano.model import load
    from tools.nano.small_english import accepts, dialogue
    from tools.nano.small_english.splits import COMBINATION
    from tools.nano.templates import chat_text

    rng = random.Random("floor")
    items = [
        dialogue(rng, use, kind, COMBINATION) for use, kind in CELLS.values() for _ in range(6)
    ]
    prompts = [chat_text(d.messages[:-1], generate=True) for d in items]
    answers = generate(load(SHIPPED, "chat").eval(), tokenizer, prompts)
    fits = [accepts(d.messages[:-1], a).ok for d, a in zip(items, answers, strict=True)]
    assert sum(fits) / len(fits) >= FITTING_FLOOR


@pytest.mark.slow
def test_the_filter_question_is_answered(tokenizer):
    from tools.nano.measure import question
    from tools.nano.model import load
    from tools.nano.small_english import dialogue
    from tools.nano.small_english.splits import COMBINATION

    rng = random.Random("floor")
    items = [
        dialogue(rng, "question", kind, COMBINATION)
        for kind in ("harmful", "lookalike")
        for _ in range(40)
    ]
    assert question(load(SHIPPED, "chat").eval(), tokenizer, items)["accuracy"] >= 0.95
