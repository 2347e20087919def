"""Sequence classifiers: small real heads of several architectures, random or of known logits."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from trueline.files.errors import InputError
from trueline.labellers.classifier import load_classifier
from trueline.labellers.guarded import Guarded
from trueline.models.contract import Fatal
from trueline.policy.load import load
from trueline.records.types import Example, Label, Message, Question, Response

POLICY = load()
TEXT = "The river runs under an old bridge, and a quiet garden waits for slow warm rain. [user] \n"
CHAT = "{% for m in messages %}{{ m.role }}: {{ m.content }}<|end|>{% endfor %}"
SAFE = "[answers.safe]\nlabels = { calm = true, rude = false, grim = false }\n"
WINDOW = 64

Make = Callable[..., Path]


def talk(prompt: str = "a bridge", *answers: str) -> Example:
    given = [Response((Message("assistant", answer),)) for answer in answers]
    return Example.new([Message("user", prompt)], given)


def tokenizer(pairs: bool) -> Any:
    """Bytes; with `pairs`, texts stand between marks as BERT has them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "[CLS]", "[SEP]", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([TEXT], trainer)
    if not pairs:
        made = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>")
        made.model_input_names = ["input_ids", "attention_mask"]
        made.chat_template = CHAT
        return made
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", cls_token="[CLS]", sep_token="[SEP]"
    )


def head(folder: Path, kind: str = "bert", labels: str = "calm rude grim", **settings: Any) -> Path:
    """A classifier's folder; its weights are random, always the same."""
    import torch
    import transformers as hf

    pairs = not kind.startswith("llama")
    words = tokenizer(pairs)
    shape: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": WINDOW,
        "initializer_range": 0.5,
        "id2label": dict(enumerate(labels.split())),
    } | settings
    shape["label2id"] = {name: i for i, name in shape["id2label"].items()}
    torch.manual_seed(0)
    if kind == "bert":
        model = hf.BertForSequenceClassification(hf.BertConfig(pad_token_id=0, **shape))
    elif kind == "deberta":
        relative = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
        config = hf.DebertaV2Config(pad_token_id=0, type_vocab_size=2, **relative, **shape)
        model = hf.DebertaV2ForSequenceClassification(config)
    elif kind == "roberta":
        shape["type_vocab_size"] = 2
        model = hf.RobertaForSequenceClassification(hf.RobertaConfig(pad_token_id=0, **shape))
    else:
        pad = 0 if kind == "llama" else None
        config = hf.LlamaConfig(pad_token_id=pad, num_key_value_heads=2, eos_token_id=3, **shape)
        model = hf.LlamaForSequenceClassification(config)
    model.eval().save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def fixed(folder: Path, logits: Sequence[float], **settings: Any) -> Path:
    """A classifier that gives every text these logits."""
    from safetensors.torch import load_file, save_file

    labels = settings.pop("labels", "calm rude grim")
    head(folder, labels=labels, **settings)
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.weight"].zero_()
    tensors["classifier.bias"].copy_(tensors["classifier.bias"].new_tensor(list(logits)))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Path, str], Any]:
    def build(folder: Path, mapping: str) -> Any:
        path = tmp_path / "map.toml"
        path.write_text(mapping)
        return Guarded(load_classifier(str(folder), path, POLICY))

    return build


def answers(labels: Sequence[Label]) -> dict[str, Any]:
    return {x.question: x.value for x in labels}


# ---- reading -----------------------------------------------------------------------------------

TALKS = [
    talk("a quiet garden", "the river runs"),
    talk("x", "under an old bridge, and " * 3, ""),
    talk("slow " * 12, "rain"),
    talk("how", "warm " * 9),
    talk("why", "warm " * 8 + "old"),
]


@pytest.mark.parametrize("kind", ["bert", "deberta", "roberta", "llama", "llama-without-pad"])
async def test_a_batch_gives_what_a_plain_computation_gives_each_alone(
    kind: str, tmp_path: Path, opened: Any
) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = head(tmp_path / kind, kind)
    labeller = opened(
        folder, "[answers.refusal]\nlabels = { calm='comply', rude='partial', grim='refuse' }"
    )
    question = POLICY["refusal"]
    together = await asyncio.gather(*(labeller.label(e, [question]) for e in TALKS))
    plain = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(folder)
    seen = set()
    for example, labels in zip(TALKS, together, strict=True):
        assert [x.about for x in labels] == [(i,) for i in range(len(example.responses))]
        for label, response in zip(labels, example.responses, strict=True):
            first, second = example.prompt[0].content, response.text
            if kind.startswith("llama"):
                text = f"user: {first}<|end|>assistant: {second}<|end|>"
                read = words(text, return_tensors="pt")
            else:
                read = words(first, second, return_tensors="pt")
            with torch.no_grad():
                chances = plain(**read).logits[0].softmax(0).tolist()
            assert label.value == ("comply", "partial", "refuse")[chances.index(max(chances))]
            assert label.probability == pytest.approx(max(chances), abs=1e-5)
            seen.add(round(max(chances), 3))
    assert len(seen) > 4


async def test_a_prompt_is_read_alone_and_a_response_where_the_mapping_says_so(
    tmp_path: Path, opened: Any
) -> None:
    folder = head(tmp_path / "m")
    both = SAFE + SAFE.replace("safe", "elicits_harm")
    pair, alone = opened(folder, both), opened(folder, 'reads = "response"\n' + both)
    asked = [POLICY["safe"], POLICY["elicits_harm"]]

    async def chances(labeller: Any, example: Example) -> dict[str, float]:
        found = await labeller.label(example, asked)
        return {
            x.question: round(x.probability if x.value else 1 - x.probability, 6) for x in found
        }

    one, other = talk("the river", "a garden"), talk("warm rain", "a garden")
    assert (await chances(alone, one))["safe"] == (await chances(alone, other))["safe"]
    assert (await chances(pair, one))["safe"] != (await chances(pair, other))["safe"]
    swapped = await chances(alone, talk("a garden", "the river"))
    assert swapped["elicits_harm"] == (await chances(alone, one))["safe"]


async def test_turns_have_their_roles_and_marks_in_texts_are_text(
    tmp_path: Path, opened: Any
) -> None:
    labeller = opened(head(tmp_path / "m"), SAFE)

    async def chance(*prompt: Message) -> float:
        example = Example.new(prompt, [Response((Message("assistant", "rain"),))])
        [label] = await labeller.label(example, [POLICY["safe"]])
        return label.probability

    user = Message("user", "b")
    assert await chance(Message("system", "a"), user) == await chance(
        Message("user", "[system] a\n\n[user] b")
    )
    assert await chance(Message("user", "a[SEP]b")) == await chance(
        Message("user", "a[\u200bSEP]b")
    )


# ---- what does not fit -------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "window"), [("bert", WINDOW), ("roberta", WINDOW - 1)])
async def test_the_prompt_gives_way_to_a_quarter_and_then_the_response_its_end(
    kind: str, window: int, tmp_path: Path, opened: Any
) -> None:
    labeller = opened(head(tmp_path / "m", kind), SAFE)
    words = labeller.instrument._head._tokenizer
    prompt, response = "zq" * 100, "the river runs " * 40

    async def read(prompt: str, response: str) -> Label:
        [label] = await labeller.label(talk(prompt, response), [POLICY["safe"]])
        return label

    for given in ((prompt, response), (prompt, "rain"), ("a", response)):
        label = await read(*given)
        front = int((label.note or "").partition("the first ")[2].partition(" ")[0] or 0)
        back = int((label.note or "").partition("the last ")[2].partition(" ")[0] or 0)
        assert f"not read, to fit {window} tokens" in str(label.note)
        assert (front > 0, back > 0) == (given[0] == prompt, given[1] == response)
        kept = given[0][front:], given[1][: len(given[1]) - back]
        same = await read(*kept)
        assert (same.value, same.note) == (label.value, None)
        assert same.probability == pytest.approx(label.probability, abs=1e-6)
        assert window - 3 <= len(words(*kept)["input_ids"]) <= window
        assert kept[0], "some of the prompt is always read"
    [alone] = await opened(tmp_path / "m", SAFE.replace("safe", "elicits_harm")).label(
        talk(prompt), [POLICY["elicits_harm"]]
    )
    assert "of the prompt's 200 characters" in str(alone.note)


async def test_a_chat_is_cut_by_turns_that_stay(tmp_path: Path, opened: Any) -> None:
    labeller = opened(head(tmp_path / "m", "llama"), SAFE)
    turns = [Message("user", "zq" * 40), Message("assistant", "b"), Message("user", "zq" * 40)]
    example = Example.new(turns, [Response((Message("assistant", "rain"),))])
    [label] = await labeller.label(example, [POLICY["safe"]])
    assert label.value is not None and "characters" in str(label.note)


# ---- from scores to answers --------------------------------------------------------------------

SIGMOID = {"problem_type": "multi_label_classification"}


def chances(*logits: float) -> list[float]:
    powers = [math.exp(x) for x in logits]
    return [power / sum(powers) for power in powers]


def sure(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@pytest.mark.parametrize(
    ("settings", "mapping", "value", "probability"),
    [
        ({}, SAFE, False, chances(1.0, 0.9, 0.8)[1] + chances(1.0, 0.9, 0.8)[2]),
        ({}, SAFE + "threshold = 0.3", True, chances(1.0, 0.9, 0.8)[0]),
        (SIGMOID, SAFE, True, sure(1.0) / (sure(1.0) + sure(0.9))),
        (SIGMOID, "[answers.safe]\nlabels = { rude = false, grim = false }\nignores = ['calm']",
         False, sure(0.9)),
        ({}, 'scores = "sigmoid"\n[answers.safe]\nlabels={calm=true}\nignores=["rude","grim"]',
         True, sure(1.0)),
        ({}, "[answers.safe]\nlabels = { rude=true, grim=false }\nignores=['calm']", None, None),
    ],
)  # fmt: skip
async def test_yes_or_no_by_sum_or_maximum_and_threshold(
    settings: dict[str, Any],
    mapping: str,
    value: bool | None,
    probability: float | None,
    tmp_path: Path,
    opened: Any,
) -> None:
    labeller = opened(fixed(tmp_path / "m", (1.0, 0.9, 0.8), **settings), mapping)
    [label] = await labeller.label(talk("a", "b"), [POLICY["safe"]])
    assert label.value is value
    assert label.probability == (probability and pytest.approx(probability, abs=1e-6))
    assert value is not None or "'calm', answers nothing" in str(label.unscored)


async def test_categories_cross_over_and_depend_on_safe(tmp_path: Path, opened: Any) -> None:
    names = "animal_abuse,privacy_violation,self_harm,non_violent_unethical_behavior".split(",")
    mapping = (
        "[answers.safe]\nlabels = { "
        + ", ".join(f"{name} = false" for name in names)
        + ' }\n[answers.harm_categories]\ncrosswalk = "beavertails"\n'
    )
    asked = [POLICY["safe"], POLICY["harm_categories"]]

    async def given(name: str, *logits: float) -> list[Label]:
        folder = fixed(tmp_path / name, logits, labels=" ".join(names), **SIGMOID)
        return await opened(folder, mapping).label(talk("a", "b"), asked)

    [safe, categories] = await given("two", 3.0, -3.0, 2.0, 1.0)
    assert safe.value is False and safe.probability == pytest.approx(sure(3.0))
    assert categories.value == ("Physical Harm", "Psychological Harm", "Animal Abuse")
    for part in ("animal_abuse 0.953", "counterpart in the policy: non_violent", "self_harm"):
        assert part in str(categories.note)
    [safe] = await given("none", -3.0, -3.0, -3.0, -3.0)
    assert safe.value is True
    [safe, categories] = await given("lost", -3.0, -3.0, -3.0, 2.0)
    assert safe.value is False and categories.value is None
    assert "no counterpart" in str(categories.unscored)


async def test_one_of_scale_and_number(tmp_path: Path, opened: Any) -> None:
    stars = Question(id="stars", about="response", kind="number", ask="How many stars?")
    folder = fixed(tmp_path / "m", (0.0, 1.0, 3.0))
    labeller = opened(
        folder,
        "[answers.refusal]\nlabels = { calm='comply', rude='comply', grim='refuse' }\n"
        "[answers.helpfulness]\nlabels = { calm = 1, rude = 3, grim = 5 }\n"
        "[answers.stars]\nlabels = { calm = 1, rude = 2.5, grim = 4 }\n",
    )
    asked = [POLICY["refusal"], POLICY["helpfulness"], stars]
    refusal, helpful, number = await labeller.label(talk("a", "b"), asked)
    p = chances(0.0, 1.0, 3.0)
    assert (refusal.value, helpful.value) == ("refuse", 5)
    assert refusal.probability == helpful.probability == pytest.approx(p[2], abs=1e-6)
    assert number.value == pytest.approx(p[0] + 2.5 * p[1] + 4 * p[2], abs=1e-5)
    raw = fixed(tmp_path / "raw", (-1.5,), labels="reward")
    [label] = await opened(raw, "[answers.stars]\nlabels = { reward = 2 }").label(
        talk("a", "b"), [stars]
    )
    assert (label.value, label.probability) == (-3.0, None)


# ---- the instrument ----------------------------------------------------------------------------


def test_the_instrument_is_weights_tokenizer_configuration_and_mapping(
    tmp_path: Path, opened: Any
) -> None:
    folder = head(tmp_path / "m")
    made = opened(folder, SAFE)
    assert (made.by.kind, made.by.name, made.instrument.answers) == ("classifier", "m", ("safe",))
    first = made.by.instrument
    elsewhere = shutil.copytree(folder, tmp_path / "other" / "m")
    assert opened(elsewhere, SAFE).by.instrument == first
    assert opened(elsewhere, SAFE + "threshold = 0.6").by.instrument != first
    assert opened(elsewhere, 'reads = "response"\n' + SAFE).by.instrument != first
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        changed = shutil.copytree(folder, tmp_path / name / "m")
        text = (changed / name).read_bytes()
        if name == "config.json":
            text = json.dumps(json.loads(text) | {"hidden_act": "relu"}).encode()
        elif name == "model.safetensors":
            text = text[:-1] + bytes([text[-1] ^ 1])
        else:
            text += b" "
        (changed / name).write_bytes(text)
        assert opened(changed, SAFE).by.instrument != first
    chat = head(tmp_path / "template", "llama")
    before = opened(chat, SAFE).by.instrument
    (chat / "chat_template.jinja").write_text(CHAT + " ")
    assert opened(chat, SAFE).by.instrument != before


def test_one_labeller_serves_one_loop_after_another(tmp_path: Path, opened: Any) -> None:
    labeller = opened(head(tmp_path / "m"), SAFE)

    async def once() -> float:
        [label] = await labeller.label(talk("a", "b"), [POLICY["safe"]])
        return label.probability

    assert asyncio.run(once()) == asyncio.run(once())


async def test_what_fails_is_no_verdict(tmp_path: Path, opened: Any) -> None:
    broken = fixed(tmp_path / "m", (math.nan, 0.0, 0.0))
    [label] = await opened(broken, SAFE).label(talk("a", "b"), [POLICY["safe"]])
    assert (label.value, label.unscored) == (
        None, "the classifier failed: m: a score is not a number"
    )  # fmt: skip
    torn = head(tmp_path / "torn")
    (torn / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(Fatal, match="torn: "):
        await opened(torn, SAFE).label(talk("a", "b"), [POLICY["safe"]])


async def test_where_memory_is_short_a_batch_is_halved(tmp_path: Path, opened: Any) -> None:
    import torch

    labeller = opened(head(tmp_path / "m"), SAFE)
    example = talk("a", "b", "c", "d", "a garden that is too long")
    whole = await labeller.label(example, [POLICY["safe"]])
    real, widths = labeller.instrument._head._model, []

    def small(**given: torch.Tensor) -> Any:
        widths.append(len(given["input_ids"]))
        if widths[-1] > 1 or given["input_ids"].shape[1] > 20:
            raise torch.OutOfMemoryError("full")
        return real(**given)

    labeller.instrument._head._model = small
    found = await labeller.label(example, [POLICY["safe"]])
    assert widths == [4, 2, 1, 1, 2, 1, 1]
    for label, before in zip(found[:3], whole[:3], strict=True):
        assert label.value == before.value
        assert label.probability == pytest.approx(before.probability, abs=1e-6)
    assert "no memory for" in str(found[3].unscored)


async def test_a_head_that_was_not_saved_is_not_made_up(tmp_path: Path, opened: Any) -> None:
    from safetensors.torch import load_file, save_file

    folder = head(tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    kept = {name: x for name, x in tensors.items() if not name.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Fatal, match="would be random"):
        await opened(folder, SAFE).label(talk("a", "b"), [POLICY["safe"]])


# ---- wrong input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mapping", "match"),
    [
        (SAFE.replace("grim", "grin"), r"map\.toml: answers\.safe: m has no label 'grin'; its"),
        ("[answers.safe]\nlabels = { calm = true }", r"label 'rude' of m has no place.*ignores"),
        ("[answers.safe]\nlabels = { calm = yes }", r"map\.toml: .*line 2"),
        (SAFE + "treshold = 0.5", r"map\.toml: .*treshold"),
        (SAFE + "threshold = 1.5", r"map\.toml: .*<= 1"),
        ("[answers.safe]\ncrosswalk = 'catqa'", r"knows no category 'calm'"),
        ("[answers.safe]\ncrosswalk = 'dogqa'", r"no crosswalk 'dogqa'"),
        (SAFE + "crosswalk = 'catqa'", "both labels and a crosswalk"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told(
    mapping: str, match: str, tmp_path: Path, opened: Any
) -> None:
    with pytest.raises(InputError, match=rf"(?s){match}"):
        opened(head(tmp_path / "m"), mapping)


@pytest.mark.parametrize(
    ("name", "mapping", "match"),
    [
        ("severity", SAFE, "m does not answer 'severity'; it answers safe"),
        ("safe", SAFE.replace("true", "'yes'"), r"answers\.safe: label 'calm': 'yes' is none of"),
        ("safe", 'scores = "raw"\n' + SAFE, "raw scores answer number questions"),
        ("safer", SAFE.replace("safe", "safer"), "a preference question has no answer"),
        (
            "harm_categories",
            "[answers.harm_categories]\nlabels={ calm=[], rude=['Violence','Rudeness'], grim=[] }",
            "label 'rude': 'Rudeness' is none of",
        ),
    ],
)
async def test_a_question_that_the_mapping_cannot_answer_is_told(
    name: str, mapping: str, match: str, tmp_path: Path, opened: Any
) -> None:
    labeller = opened(head(tmp_path / "m"), mapping)
    with pytest.raises(InputError, match=match):
        await labeller.label(talk("a", "b", "c"), [POLICY[name]])


def test_folders_that_hold_no_classifier_are_told(tmp_path: Path, opened: Any) -> None:
    folder = head(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled ones are never loaded"):
        opened(folder, SAFE)
    writer = head(tmp_path / "writer", "llama")
    config = json.loads((writer / "config.json").read_text())
    for architectures in (["LlamaForCausalLM"], None):
        (writer / "config.json").write_text(json.dumps(config | {"architectures": architectures}))
        with pytest.raises(InputError, match=r"no sequence classifier.*guard or a judge"):
            opened(writer, SAFE)
    own = config | {"model_type": "their-own", "auto_map": {"AutoConfig": "code.Config"}}
    (writer / "config.json").write_text(json.dumps(own))
    (writer / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InputError, match=r"config\.json cannot be used"):
        opened(writer, SAFE)
    with pytest.raises(InputError, match="no model is named"):
        opened(tmp_path / "nowhere", SAFE)
    good = head(tmp_path / "good")
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        load_classifier(str(good), tmp_path / "none.toml", POLICY)
    with pytest.raises(InputError, match=r"beside its weights as trueline\.toml"):
        load_classifier(str(good), None, POLICY)
    (good / "trueline.toml").write_text(SAFE)
    assert load_classifier(str(good), None, POLICY).answers == ("safe",)


def test_a_missing_extra_is_named(
    tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "trueline.models.local.classifier", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"trueline\[local\]"):
        opened(tmp_path, SAFE)
