"""A tiny Llama with a tokenizer of its own, two adapters, and chat templates of several kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

TEXT = (
    "Tell me about the weather. The river runs under an old bridge, and a quiet garden waits for "
    "slow warm rain. Yes. No. How do I bake bread? Be kind; be brief. system user assistant "
    "developer <|turn|> <|end|>\n"
)
CHATML = (
    "{{ bos_token }}{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)
USER_ONLY = (
    "{{ bos_token }}{% if messages|length != 1 or messages[0].role != 'user' %}"
    "{{ raise_exception('one user turn') }}{% endif %}### response:\n{{ messages[0].content }}\n\n"
    "### Instruction:\n"
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like the bundled model: base, and the adapters chat and reverse."""
    import torch
    from peft import LoraConfig, get_peft_model
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    root = tmp_path_factory.mktemp("tiny")
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|begin|>", "<|turn|>", "<|end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([TEXT] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<|pad|>", bos_token="<|begin|>", eos_token="<|end|>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.4,
        bos_token_id=1,
        eos_token_id=3,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(root / "base")
    tokenizer.save_pretrained(root / "base")
    for seed, (name, template) in enumerate({"chat": CHATML, "reverse": USER_ONLY}.items()):
        torch.manual_seed(seed + 1)
        lora = LoraConfig(
            r=4, lora_alpha=16, init_lora_weights=False, target_modules=["q_proj", "down_proj"]
        )
        adapted = get_peft_model(LlamaForCausalLM.from_pretrained(root / "base"), lora)
        adapted.peft_config["default"].base_model_name_or_path = "../base"
        adapted.save_pretrained(root / name)
        (root / name / "chat_template.jinja").write_text(template)
    return root
