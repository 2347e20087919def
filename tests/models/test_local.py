"""Local models: what batching must not change, adapters that must not mix, likelihoods."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections import Counter
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.ledger.sqlite import open_ledger
from trueline.ledger.summary import summary
from trueline.models.contract import Fatal, Model, ModelError
from trueline.models.open import open_model
from trueline.records.types import Message, Sampling

torch = pytest.importorskip("torch")

WORDS = ["river", "bridge and garden", "rain", "bake bread", "weather " * 12, "kind", "?" * 40]
ASKED = [[Message("user", f"Tell me about {word}.")] for word in WORDS]
GREEDY = Sampling(temperature=0.0, max_tokens=24)


async def together(model: Model, sampling: Sampling, n: int = 1) -> list[list[str]]:
    drawn = await asyncio.gather(*(model.generate(m, sampling, n) for m in ASKED))
    return [[c.text for c in each] for each in drawn]


async def one_by_one(model: Model, sampling: Sampling, n: int = 1) -> list[list[str]]:
    return [
        [(await model.generate(m, sampling, 1, first=i))[0].text for i in range(n)] for m in ASKED
    ]


async def test_greedy_answers_in_a_batch_equal_those_alone_and_transformers_own(
    tiny: Path,
) -> None:
    model = open_model(f"{tiny}:chat")
    batched = await together(model, GREEDY)
    assert batched == await one_by_one(model, GREEDY)
    await model.close()
    assert batched == [[_greedy(tiny, m, 24)] for m in ASKED]
    assert len({text for (text,) in batched}) > 3


@pytest.mark.parametrize("start", ["Sure", "Tell me about", " the ", "<|end|>"])
async def test_an_answer_continues_a_begun_turn(tiny: Path, start: str) -> None:
    model = open_model(f"{tiny}:chat")
    drawn = await asyncio.gather(*(model.generate(m, GREEDY, start=start) for m in ASKED))
    bare = await together(model, GREEDY)
    await model.close()
    inert = start.replace("<|", "<\u200b|")  # what spells a special token opens and ends no turn
    assert [answer.text for (answer,) in drawn] == [_greedy(tiny, m, 24, inert) for m in ASKED]
    assert [answer.text for (answer,) in drawn] != [text for (text,) in bare]


async def test_draws_of_a_begun_turn_are_others_and_the_same_again(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    sampling = Sampling(0.8, max_tokens=12, seed=3)
    one, same, other = [
        [answer.text for answer in await model.generate(ASKED[0], sampling, 2, start=start)]
        for start in ("It", "It", "It is")
    ]
    await model.close()
    assert one == same != other


def test_a_continuation_keeps_the_space_that_some_tokenizers_drop_at_a_beginning() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from trueline.models.local.decode import decode_answer
    from trueline.models.local.rows import Row

    words = ["<unk>", "\u2581warm", "\u2581rain", "s"]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw)
    assert decode_answer(tokenizer, Row([1], Sampling()), [2]) == "rain"
    assert decode_answer(tokenizer, Row([1], Sampling(), begun=True), [2]) == " rain"
    assert decode_answer(tokenizer, Row([1, 2], Sampling(), begun=True), [3]) == "s"


def _greedy(tiny: Path, messages: list[Message], most: int, start: str = "") -> str:
    """The plainest loop there is."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny / "base")
    model = AutoModelForCausalLM.from_pretrained(tiny / "base", dtype=torch.float32)
    model = PeftModel.from_pretrained(model, tiny / "chat").eval()
    text = f"<|begin|><|turn|>user\n{messages[0].content}<|end|>\n<|turn|>assistant\n{start}"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    start = len(ids)
    with torch.no_grad():
        while len(ids) - start < most:
            token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            ids.append(token)
    return str(tokenizer.decode(ids[start:], skip_special_tokens=True))


@pytest.mark.parametrize("top_p", [1.0, 0.7])
async def test_drawn_answers_do_not_depend_on_the_batch_nor_on_the_process(
    tiny: Path, top_p: float
) -> None:
    sampling = Sampling(temperature=0.8, top_p=top_p, max_tokens=16, seed=5)
    model = open_model(f"{tiny}:chat")
    batched = await together(model, sampling, n=3)
    assert batched == await one_by_one(model, sampling, n=3)
    mixed = asyncio.gather(together(model, GREEDY), together(model, sampling, n=3))
    assert (await mixed)[1] == batched
    await model.close()
    again = open_model(f"{tiny}:chat", concurrency=2)
    assert await together(again, sampling, n=3) == batched
    await again.close()
    assert len({text for texts in batched for text in texts}) > len(ASKED)


async def test_sample_i_of_a_seed_is_sample_0_of_seed_plus_i(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    drawn = await model.generate(ASKED[0], Sampling(max_tokens=8, seed=5), n=3)
    last = await model.generate(ASKED[0], Sampling(max_tokens=8, seed=7))
    unseeded = await model.generate(ASKED[0], Sampling(max_tokens=8), n=3)
    await model.close()
    assert drawn[2] == last[0]
    assert unseeded != drawn


async def test_draws_follow_the_models_probabilities(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    sampling = Sampling(max_tokens=1, logprobs=True, temperature=1.0)
    drawn = await model.generate(ASKED[0], sampling, n=2000)
    await model.close()
    # Tokens that are parts of a character share a text; their log-probabilities tell them apart.
    share = Counter((c.text, round(c.logprob or 0.0, 4)) for c in drawn)
    for (_, logprob), count in share.most_common(5):
        p = math.exp(logprob)
        assert count / 2000 == pytest.approx(p, abs=4 * (p * (1 - p) / 2000) ** 0.5)


async def test_top_p_near_zero_is_greedy(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    tight = Sampling(temperature=1.0, top_p=1e-6, max_tokens=24)
    assert await together(model, tight) == await together(model, GREEDY)
    await model.close()


async def test_length_stop_strings_and_the_default_bound(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    (whole,) = await model.generate(ASKED[0], GREEDY)
    assert (whole.finish, whole.completion_tokens, whole.prompt_tokens > 5) == ("length", 24, True)
    stop = whole.text[8:11]
    (short,) = await model.generate(ASKED[0], Sampling(0.0, max_tokens=24, stop=("zzz", stop)))
    assert (short.text, short.finish) == (whole.text[: whole.text.find(stop)], "stop")
    assert short.completion_tokens < 24
    (endless,) = await model.generate(ASKED[0], Sampling(temperature=0.0))
    assert endless.completion_tokens <= 256 - endless.prompt_tokens
    await model.close()


async def test_logprob_of_an_answer_equals_its_score(tiny: Path) -> None:
    model = open_model(f"{tiny}:reverse")
    sampling = Sampling(0.7, max_tokens=3, logprobs=True, seed=2)
    drawn = [(await model.generate(m, sampling))[0] for m in ASKED]
    for messages, completion in zip(ASKED, drawn, strict=True):
        if completion.finish == "length" and completion.text.isascii():
            (score,) = await model.loglikelihood(messages, [completion.text])
            assert completion.logprob == pytest.approx(score, abs=1e-3)
    await model.close()


async def test_score_equals_a_plain_computation(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny / "base")
    plain = AutoModelForCausalLM.from_pretrained(tiny / "base", dtype=torch.float32).eval()
    texts = ["Yes.", "No.", " the river runs under an old bridge", "x"]
    model = open_model(str(_with_template(tiny)))
    scored = await asyncio.gather(*(model.loglikelihood(m, texts) for m in ASKED))
    alone = await model.loglikelihood(ASKED[2], texts[1:2])
    await model.close()
    for messages, scores in zip(ASKED, scored, strict=True):
        prompt = f"<|begin|>{messages[0].content}"
        for text, score in zip(texts, scores, strict=True):
            before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            ids = before + tokenizer(text, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logp = plain(torch.tensor([ids])).logits[0].log_softmax(-1)
            naive = sum(float(logp[i - 1, ids[i]]) for i in range(len(before), len(ids)))
            assert score == pytest.approx(naive, abs=1e-3)
    assert alone[0] == pytest.approx(scored[2][1], abs=1e-4)


def _with_template(tiny: Path) -> Path:
    folder = tiny.parent / "templated"
    if not folder.exists():
        shutil.copytree(tiny / "base", folder)
        (folder / "chat_template.jinja").write_text("{{ bos_token }}{{ messages[0].content }}")
    return folder


async def test_adapters_share_a_base_and_never_mix(tiny: Path) -> None:
    alone = {}
    for name in ("chat", "reverse"):
        model = open_model(str(tiny / name))
        alone[name] = await together(model, GREEDY)
        await model.close()
    assert alone["chat"] != alone["reverse"]
    chat, reverse = open_model(str(tiny / "chat")), open_model(f"{tiny}:reverse")
    assert chat._engine is reverse._engine  # type: ignore[attr-defined]
    whole = open_model(str(_with_template(tiny)))
    before = await together(whole, GREEDY)
    for _ in range(2):
        got = await asyncio.gather(
            together(chat, GREEDY),
            together(reverse, GREEDY),
            together(whole, GREEDY),
            chat.loglikelihood(ASKED[0], ["Yes.", "No."]),
        )
        assert got[:3] == [alone["chat"], alone["reverse"], before]
    await asyncio.gather(chat.close(), reverse.close(), whole.close())


async def test_identity_is_that_of_the_content(tiny: Path, tmp_path: Path) -> None:
    chat = await identity(tiny / "chat")
    assert len({chat, await identity(tiny / "reverse"), await identity(_with_template(tiny))}) == 3
    copy = tmp_path / "elsewhere"
    shutil.copytree(tiny, copy)
    assert await identity(copy / "chat") == chat
    for changed in ("chat/chat_template.jinja", "base/tokenizer.json", "base/model.safetensors"):
        file = copy / changed
        file.write_bytes(file.read_bytes()[:-1] + b" ")
        assert await identity(copy / "chat") != chat
        shutil.copyfile(tiny / changed, file)
    assert await identity(copy / "chat") == chat


async def identity(folder: Path) -> str:
    model = open_model(str(folder))
    await model.close()
    return model.identity


async def test_errors_are_those_of_the_call_that_met_them(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    long = [Message("user", "river " * 400)]
    got = await asyncio.gather(
        model.generate(ASKED[0], GREEDY),
        model.generate(long, GREEDY),
        model.loglikelihood(ASKED[0], [""]),
        model.loglikelihood(ASKED[0], ["bread " * 400]),
        return_exceptions=True,
    )
    assert not isinstance(got[0], BaseException)
    assert [type(error) for error in got[1:]] == [ModelError] * 3
    assert "the model holds 256" in str(got[1])
    assert await model.loglikelihood(ASKED[0], []) == []
    await model.close()


async def test_not_a_number_is_an_error(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "broken"
    shutil.copytree(_with_template(tiny), folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = open_model(str(folder))
    with pytest.raises(ModelError, match="not a number"):
        await model.loglikelihood(ASKED[0], ["Yes."])
    with pytest.raises(ModelError, match="not numbers"):
        await model.generate(ASKED[0], GREEDY)
    await model.close()


async def test_weights_that_cannot_be_loaded_stop_everything(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(_with_template(tiny), folder)
    (folder / "model.safetensors").write_bytes(b"torn")
    model = open_model(str(folder))
    with pytest.raises(Fatal, match="torn"):
        await model.generate(ASKED[0], GREEDY)
    await model.close()


async def test_an_error_between_batches_reaches_every_caller_and_the_engine_goes_on(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(f"{tiny}:chat")
    whole = await together(model, GREEDY)
    with monkeypatch.context() as patched:
        patched.setattr("trueline.models.local.engine.Engine._batches", lambda *_: 1 / 0)
        calls = (model.generate(m, GREEDY) for m in ASKED)
        got = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), timeout=60)
    assert {type(error) for error in got} == {Fatal}
    assert "division" in str(got[0])
    assert await together(model, GREEDY) == whole
    await model.close()


async def test_a_folder_without_a_chat_template_says_what_to_supply(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"chat_template\.jinja"):
        open_model(str(tiny / "base"))


async def test_a_recorded_model_pays_once_and_replays_without_loading(
    tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "l.sqlite"
    answers = []
    for run in ("one", "two"):
        async with await open_ledger(path, run=run) as ledger:
            model = open_model(f"{tiny}:chat", ledger)
            answers.append(
                (
                    await model.generate(ASKED[0], Sampling(max_tokens=8), n=2),
                    await model.loglikelihood(ASKED[0], ["Yes.", "No."]),
                )
            )
            inner = model._inner._inner  # type: ignore[attr-defined]
            assert (inner._engine._model is None) == (run == "two")
            await model.close()
    assert answers[0] == answers[1]
    one, two = summary(path)
    assert (one.calls, one.answers, one.money, one.hits) == (2, 3, 0.0, 0)
    assert one.completion_tokens == sum(c.completion_tokens for c in answers[0][0])
    assert (two.calls, two.hits) == (0, 3)


def test_a_local_model_serves_one_event_loop_after_another(tiny: Path) -> None:
    model = open_model(f"{tiny}:chat")
    one = asyncio.run(model.generate(ASKED[0], GREEDY))
    assert asyncio.run(model.generate(ASKED[0], GREEDY)) == one
    asyncio.run(model.close())
