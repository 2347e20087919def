"""Likelihoods: what sharing a prompt, or its beginning, must not change, and what it must save."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from trueline.ledger.sqlite import open_ledger
from trueline.ledger.summary import summary
from trueline.models.contract import Model
from trueline.models.local.weights import Weights
from trueline.models.open import open_model
from trueline.records.types import Message, Sampling

torch = pytest.importorskip("torch")

SHOTS = "Tell me about the weather. Warm rain. Tell me about the garden. It is slow and quiet. " * 2
TEXTS = ["Yes.", "No.", " the river runs under an old bridge", "x", "be kind; be brief"]
SMALL = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2 = {"vocab_size": 120, "n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 1}
SHARING = {  # the architecture, its settings, and whether prompts are shared
    "llama": ("llama", SMALL, True),
    "qwen3": ("qwen3", SMALL, True),
    "gpt_neox": ("gpt_neox", {**SMALL, "num_key_value_heads": 4}, True),
    "mixtral": ("mixtral", {**SMALL, "num_local_experts": 4}, True),
    "wide windows": ("gemma3_text", {**SMALL, "sliding_window": 150}, True),
    "narrow windows": ("gemma3_text", {**SMALL, "sliding_window": 16}, False),
    "hidden windows": (
        "gpt_neo",
        {
            "vocab_size": 120,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 16,
            "initializer_range": 0.3,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        False,
    ),
    "learned places": ("gpt2", {**GPT2, "eos_token_id": 2, "initializer_range": 0.3}, False),
    "a recurrent state": ("mamba", {**SMALL, "state_size": 8}, False),
}


def batch(head: int) -> list[Any]:
    """Rows of five prompts that have `head` tokens in common, one the beginning of another."""
    from trueline.models.local.rows import Row

    drawn = torch.Generator().manual_seed(head)

    def tokens(n: int) -> list[int]:
        return list(torch.randint(5, 120, (n,), generator=drawn).tolist())

    common = tokens(head)
    longest = common + tokens(24)
    prompts = [longest, longest[:-9], *(common + tokens(n) for n in (3, 1, 11))]
    lengths = [(1, 1, 4), (2, 9), (1,), (1, 3), (7, 1, 1, 2)]
    rows = [
        Row(prompt, Sampling(), tail=tokens(n))
        for prompt, tails in zip(prompts, lengths, strict=True)
        for n in tails
    ]
    return rows[::2] + rows[1::2]


def plainly(model: Any, row: Any) -> float:
    """A row by itself, without padding or cache."""
    ids = torch.tensor([row.ids + row.tail])
    with torch.no_grad():
        logp = model(ids, use_cache=False).logits[0].double().log_softmax(-1)
    start = len(row.ids)
    return sum(float(logp[start + i - 1, token]) for i, token in enumerate(row.tail))


@pytest.mark.parametrize("head", [0, 60])
@pytest.mark.parametrize("kind", SHARING)
def test_shared_prompts_give_what_each_row_alone_gives(kind: str, head: int) -> None:
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    from trueline.models.local import loglikelihoods

    name, settings, shared = SHARING[kind]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[name](**settings)).eval()
    rows = batch(head)
    found = loglikelihoods.compute(model, 0, rows)
    for row, one in zip(rows, found, strict=True):
        assert one.total == pytest.approx(plainly(model, row), abs=1e-4)
        (alone,) = loglikelihoods.compute(model, 0, [row])
        assert one.total == pytest.approx(alone.total, abs=1e-4)
        assert alone.read == len(row.ids) + len(row.tail) - 1
    read = sum(one.read for one in found)
    behind = sum(len(row.tail) - 1 for row in rows)
    if shared:
        assert read == head + sum(len(p) - head for p in {tuple(row.ids) for row in rows}) + behind
    else:
        assert read == sum(len(row.ids) for row in rows) + behind


@pytest.mark.parametrize("part", ["base", "chat", "reverse"])
async def test_nano_scores_as_row_by_row(part: str) -> None:
    model = open_model(f"nano:{part}")
    asked = [[Message("user", f"{SHOTS}{word}?")] for word in ("rain", "a bridge", "bread", "I")]
    scored = await asyncio.gather(*(model.loglikelihood(messages, TEXTS) for messages in asked))
    for messages, scores in zip(asked, scored, strict=True):
        alone = [(await model.loglikelihood(messages, [text]))[0] for text in TEXTS]
        assert scores == pytest.approx(alone, abs=1e-4)
    await model.close()


@contextmanager
def passes(model: Model) -> Iterator[list[tuple[int, int, int, int]]]:
    """Of each pass: its rows, the tokens they read, the places behind which, and the logits."""
    seen: list[tuple[int, int, int, int]] = []

    def watch(_: Any, args: Any, kwargs: dict[str, Any]) -> None:
        rows, width = kwargs["attention_mask"].shape
        read = int(kwargs["attention_mask"][:, -kwargs["input_ids"].shape[1] :].sum())
        seen.append((rows, read, width, kwargs["logits_to_keep"]))

    loaded = model._engine._model  # type: ignore[attr-defined]
    hook = loaded.register_forward_pre_hook(watch, with_kwargs=True)
    try:
        yield seen
    finally:
        hook.remove()


async def test_tokens_counted_are_those_that_the_model_read(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    asked = [[Message("user", f"{SHOTS}{word}?")] for word in ("rain", "bread", "river", "kind")]
    alone = [await model.loglikelihood_with_reads(messages, TEXTS) for messages in asked]  # type: ignore[attr-defined]
    with passes(model) as seen:
        together = await asyncio.gather(
            *(model.loglikelihood_with_reads(messages, TEXTS) for messages in asked)  # type: ignore[attr-defined]
        )
    assert sum(read for _, read in together) == sum(read for _, read, _, _ in seen)
    assert sum(read for _, read in together) < sum(read for _, read in alone) / 2
    for (scores, _), (by_itself, _) in zip(together, alone, strict=True):
        assert scores == pytest.approx(by_itself, abs=1e-4)
    longer = [text for text in TEXTS if text != "x"]  # a single token is in the prompt's logits
    head, prompts, *tails = (rows for rows, _, _, _ in seen)
    assert (head, prompts, sum(tails)) == (1, len(asked), len(asked) * len(longer))
    assert len(tails) > 1  # short ones are not read beside long ones
    with passes(model) as seen:
        await model.loglikelihood(asked[0], ["x"])
    assert len(seen) == 1
    await model.close()


async def test_prompts_that_begin_alike_are_read_apart_from_others(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat", concurrency=16)
    words = ["rain", "a warm garden", "bread", "the old bridge over the river"]
    kinds = {"alike": SHOTS, "others": ""}
    asked = [
        [Message("user", f"{start}{word * (1 + 3 * (not start))}")]
        for word in words
        for start in kinds.values()
    ]
    alone = [await model.loglikelihood(messages, TEXTS) for messages in asked]
    with passes(model) as seen:
        together = await asyncio.gather(
            *(model.loglikelihood(messages, TEXTS) for messages in asked)
        )
    assert any(rows == 1 and read > 60 for rows, read, _, _ in seen)
    for scores, by_itself in zip(together, alone, strict=True):
        assert scores == pytest.approx(by_itself, abs=1e-4)
    await model.close()


async def test_batches_keep_to_their_bounds(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(f"{tiny}:chat")
    asked = [[Message("user", f"Tell me about {word}.")] for word in ("rain", "bread " * 9, "x")]
    free = await asyncio.gather(*(model.loglikelihood(messages, TEXTS) for messages in asked))
    vocabulary = model._engine._model.config.vocab_size  # type: ignore[attr-defined]
    bounds = {"TOKENS": 200, "NUMBERS": 40 * vocabulary}
    for name, most in bounds.items():
        monkeypatch.setattr(f"trueline.models.local.engine.{name}", {"cpu": most, "cuda": most})
    with passes(model) as seen:
        held = await asyncio.gather(*(model.loglikelihood(messages, TEXTS) for messages in asked))
    assert max(rows * width for rows, _, width, _ in seen) <= bounds["TOKENS"]
    assert max(rows * keep for rows, _, _, keep in seen) <= 40
    assert max(rows for rows, _, _, _ in seen) > 1
    for some, all_ in zip(held, free, strict=True):
        assert some == pytest.approx(all_, abs=1e-4)
    await model.close()


async def test_out_of_memory_halves_the_batch(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trueline.models.local import loglikelihoods

    model = open_model(f"{tiny}:chat")
    asked = [[Message("user", f"Tell me about {word}.")] for word in ("rain", "bread", "rivers")]
    free = await asyncio.gather(*(model.loglikelihood(messages, TEXTS) for messages in asked))
    compute, sizes = loglikelihoods.compute, []

    def narrow(loaded: Any, pad: int, rows: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("narrow")
        return compute(loaded, pad, rows)

    monkeypatch.setattr(loglikelihoods, "compute", narrow)
    held = await asyncio.gather(*(model.loglikelihood(messages, TEXTS) for messages in asked))
    assert max(sizes) > 3
    for some, all_ in zip(held, free, strict=True):
        assert some == pytest.approx(all_, abs=1e-4)
    await model.close()


async def test_white_space_behind_a_plain_prompt_is_scored_with_the_continuation(
    tiny: Path,
) -> None:
    from transformers import AutoTokenizer

    from trueline.models.local.model import Local

    tokenizer = AutoTokenizer.from_pretrained(tiny / "base")
    river = tokenizer("the river", add_special_tokens=False)["input_ids"]
    assert len(river) == 2  # the space is part of the word behind it
    model = Local(Weights("plain", tiny / "base", plain=True))
    ((behind,), read) = await model.loglikelihood_with_reads([Message("user", "the ")], ["river"])
    (inside,) = await model.loglikelihood([Message("user", "the")], [" river"])
    await model.close()
    assert behind == pytest.approx(inside, abs=1e-6)
    assert read == len(river) - 1 + len(tokenizer("")["input_ids"])


async def test_a_ledger_books_what_was_read(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    async with await open_ledger(path, run="one") as ledger:
        model = open_model(f"{tiny}:chat", ledger)
        await model.loglikelihood([Message("user", "rain")], TEXTS)
        await model.close()
    model = open_model(f"{tiny}:chat")
    _, read = await model.loglikelihood_with_reads([Message("user", "rain")], TEXTS)  # type: ignore[attr-defined]
    await model.close()
    (one,) = summary(path)
    assert (one.prompt_tokens, one.completion_tokens) == (read, 0)
