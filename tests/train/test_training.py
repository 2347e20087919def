"""Training a tiny model: what is learnt is what was meant, and an interruption changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file
from tests.train.tiny import CHATML, PAIRS, SINGLES, tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from trueline.files.errors import InputError
from trueline.models.open import open_model
from trueline.records.store import dataset, jsonl
from trueline.records.types import Example, Message, Response, Sampling
from trueline.runs.record import read_record
from trueline.train import card, checkpoints
from trueline.train.methods import preference, reverse, reward, sft
from trueline.train.run import train
from trueline.train.trl.progress import Progress
from trueline.train.trl.trainers import Order


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads cost more than they bring at this size, and a sum's order stays the same."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def options(kind: Any, tiny: Path, out: Path, **given: Any) -> Any:
    common = {"lora_rank": 0, "epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "log_steps": 1}
    return kind.Options(model=str(tiny), out=out, **{**common, **given})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path, within: float = 0.0) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], rtol=0, atol=within) for k in a)


def logprob(folder: Path, example: Example, response: int) -> float:
    """Independent of our masks and heads: the response's own tokens, by the plain model."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    asked = [{"role": "user", "content": example.prompt[0].content}]
    before = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    read = tokenizer(before)["input_ids"]
    said = tokenizer(example.responses[response].text + "<|im_end|>")["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([read + said])).logits[0, len(read) - 1 : -1]
    return float(logits.log_softmax(-1)[range(len(said)), said].sum())


def test_sft_learns_the_preferred_response_with_its_end(tiny: Path, tmp_path: Path) -> None:
    made = train(
        sft.METHOD, options(sft, tiny, tmp_path / "m", epochs=12, learning_rate=2e-2), PAIRS
    )
    losses = [entry["loss"] for entry in made.log if "loss" in entry]
    assert losses[-1] < 0.3 * losses[0]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "m", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    asked = [{"role": "user", "content": PAIRS[3].prompt[0].content}]
    read = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    said = model.generate(**read, max_new_tokens=30, do_sample=False)[
        0, read["input_ids"].shape[1] :
    ]
    text = tokenizer.decode(said)
    assert text.startswith("the ") and text.endswith("warm<|im_end|>")  # it has learnt to stop


def test_dpo_raises_the_chosen_over_the_rejected(tiny: Path, tmp_path: Path) -> None:
    made = train(preference.METHOD, options(preference, tiny, tmp_path / "m", epochs=4), PAIRS)
    losses = [entry["loss"] for entry in made.log if "loss" in entry]
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)  # it begins as its own reference
    assert losses[-1] < 0.6
    for example in PAIRS[:4]:
        chosen = int(example.responses[0].text.startswith("no"))
        before, after = (
            logprob(folder, example, chosen) - logprob(folder, example, 1 - chosen)
            for folder in (tiny, tmp_path / "m")
        )
        assert after > before + 0.5


def test_reverse_learns_the_instruction_and_keeps_its_template(tiny: Path, tmp_path: Path) -> None:
    made = train(reverse.METHOD, options(reverse, tiny, tmp_path / "m"), SINGLES)
    losses = [entry["loss"] for entry in made.log if "loss" in entry]
    assert losses[-1] < losses[0]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    asked = [{"role": "user", "content": "RESPONSE"}]
    read = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert read.startswith("Below is a response to a certain instruction.") and "RESPONSE" in read


@pytest.mark.parametrize("kind, rank", [(sft, 0), (reward, 4)])
def test_resumed_training_ends_at_the_same_weights(
    kind: ModuleType, rank: int, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "epochs": 3,
        "checkpoint_steps": 4,
        "lora_rank": rank,
    }  # 5 steps an epoch: it stops inside the second
    whole = train(kind.METHOD, options(kind, tiny, tmp_path / "whole", **given), PAIRS)
    heard = Progress.on_step_end

    def stop(self: Progress, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        heard(self, args, state, control, **kwargs)
        if state.global_step == 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "on_step_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train(kind.METHOD, options(kind, tiny, tmp_path / "cut", **given), PAIRS)
    assert not (tmp_path / "cut" / card.CARD).exists()
    assert read_record(tmp_path / "cut").status == "interrupted"
    resumed = train(kind.METHOD, options(kind, tiny, tmp_path / "cut", **given), PAIRS)
    assert (whole.resumed_from, resumed.resumed_from) == (0, 8)
    assert whole.steps == resumed.steps == 15
    assert same(tmp_path / "whole", tmp_path / "cut")
    assert not (tmp_path / "cut" / "checkpoints").exists()


def test_a_finished_or_foreign_folder_is_refused(tiny: Path, tmp_path: Path) -> None:
    train(sft.METHOD, options(sft, tiny, tmp_path / "m", max_steps=1), PAIRS)
    with pytest.raises(InputError, match="finished"):
        train(sft.METHOD, options(sft, tiny, tmp_path / "m", max_steps=1), PAIRS)
    (tmp_path / "m" / card.CARD).unlink()  # as if it had been interrupted
    with pytest.raises(InputError, match=r"begun by another.*rows: "):
        train(sft.METHOD, options(sft, tiny, tmp_path / "m", max_steps=1), PAIRS[:-1])
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "diary.txt").touch()
    with pytest.raises(InputError, match="not written by trueline"):
        train(sft.METHOD, options(sft, tiny, tmp_path / "f"), PAIRS)


def test_accumulated_batches_give_the_step_of_one_large_one(tiny: Path, tmp_path: Path) -> None:
    for out, rows, batches in (("one", 8, 1), ("two", 2, 4)):
        given = {"batch_size": rows, "gradient_accumulation": batches, "epochs": 1}
        train(sft.METHOD, options(sft, tiny, tmp_path / out, **given), PAIRS)
    assert same(tmp_path / "one", tmp_path / "two", 2e-5)
    assert not same(tmp_path / "one", tiny, 1e-3)


def test_packed_documents_do_not_see_one_another(tiny: Path, tmp_path: Path) -> None:
    given = {"batch_size": 20, "epochs": 1, "schedule": "constant", "warmup": 0.0}
    alone = train(sft.METHOD, options(sft, tiny, tmp_path / "alone", **given), PAIRS)
    packed = train(
        sft.METHOD,
        options(sft, tiny, tmp_path / "packed", packing=True, max_length=400, **given),
        PAIRS,
    )
    assert packed.steps == alone.steps == 1
    assert packed.log[0]["loss"] == pytest.approx(alone.log[0]["loss"], abs=1e-5)
    assert same(tmp_path / "alone", tmp_path / "packed", 2e-5)


async def test_what_was_trained_opens_as_a_model(tiny: Path, tmp_path: Path) -> None:
    train(sft.METHOD, options(sft, tiny, tmp_path / "whole", lora_rank=4), PAIRS)
    train(sft.METHOD, options(sft, tiny, tmp_path / "adapter", lora_rank=4, save="adapter"), PAIRS)
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    scores = []
    for name in ("whole", "adapter"):
        model = open_model(str(tmp_path / name))
        scores += await model.loglikelihood(PAIRS[0].prompt, ["the tea is warm"])
        [said] = await model.generate(PAIRS[0].prompt, Sampling(temperature=0, max_tokens=4))
        assert said.completion_tokens
        await model.close()
    base = open_model(str(tiny))
    [before] = await base.loglikelihood(PAIRS[0].prompt, ["the tea is warm"])
    await base.close()
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
    assert scores[0] > before + 0.1


def test_a_lora_is_trained_on_from_an_adapter(tiny: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    train(sft.METHOD, options(sft, tiny, first, lora_rank=4, save="adapter"), PAIRS)
    made = train(preference.METHOD, options(preference, first, tmp_path / "m", lora_rank=4), PAIRS)
    losses = [entry["loss"] for entry in made.log if "loss" in entry]
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)  # the reference is base and adapter
    assert (tmp_path / "m" / "model.safetensors").exists()
    with pytest.raises(InputError, match="an adapter itself"):
        train(sft.METHOD, options(sft, first, tmp_path / "n", lora_rank=4, save="adapter"), PAIRS)


def test_the_card_says_what_happened(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = Example.new([Message("user", "x")], [Response((Message("assistant", " "),))])
    long = Example.new(
        [Message("user", "tea " * 9)], [Response((Message("assistant", "cat " * 99),))]
    )
    given = {"max_steps": 1, "max_length": 90}
    made = train(sft.METHOD, options(sft, tiny, tmp_path / "m", **given), [blank, long, *PAIRS])
    said = capsys.readouterr()
    assert card.read(tmp_path / "m") == made
    assert made.data.skipped == {"a blank response": 1}
    assert (made.data.examples, made.data.rows, made.data.truncated) == (22, 21, 1)
    assert made.dtype == "float32" and made.parameters == made.trained_parameters
    assert made.data.tokens > made.data.trained > 0
    assert said.out == "" and "1 truncated" in said.err and "memory: about" in said.err
    assert "1 a blank response" in said.err
    for text in (said.err, (tmp_path / "m" / "README.md").read_text(), str(made)):
        assert "is warm" not in text and "no tea" not in text and str(tmp_path) not in text
    settings = json.loads((tmp_path / "m" / "generation_config.json").read_text())
    assert settings["eos_token_id"] in (2, [2])


@pytest.mark.parametrize("kind", [sft, preference])
def test_a_quiet_training_says_nothing(
    kind: ModuleType, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(kind.METHOD, options(kind, tiny, tmp_path / "m", max_steps=2, quiet=True), PAIRS)
    assert capsys.readouterr() == ("", "")


def test_the_run_record_leads_from_a_model_to_the_data_and_the_base_it_was_made_of(
    tiny: Path, tmp_path: Path
) -> None:
    data = tmp_path / "pairs"
    writer = dataset.Writer(data)
    for example in PAIRS:
        writer.add(example)
    writer.close(complete=True)
    first = options(sft, tiny, tmp_path / "first", max_steps=1, data=data)
    train(sft.METHOD, first)
    second = options(preference, tmp_path / "first", tmp_path / "m", max_steps=1, data=data)
    train(preference.METHOD, second)
    record, base = read_record(tmp_path / "m"), read_record(tmp_path / "first")
    assert record.status == "complete" and record.command == "trueline train preference"
    assert record.identity == card.read(tmp_path / "m").identity
    assert (record.rows, record.rejects, record.stages[0].seen) == (20, 0, 20)
    given, model = record.inputs
    assert (given.path, given.kind) == (str(data), "data set")
    assert given == base.inputs[0]
    assert (model.path, model.run) == (str(tmp_path / "first"), base.identity)
    words = list(record.argv)
    assert words[:4] == ["trueline", "train", "preference", str(data)]
    assert words[words.index("--max-steps") + 1] == "1"


def test_data_that_gives_nothing_is_an_error(tiny: Path, tmp_path: Path) -> None:
    bare = [msgspec.structs.replace(e, labels=()) for e in PAIRS]
    with pytest.raises(InputError, match="20 no preference is labelled"):
        train(preference.METHOD, options(preference, tiny, tmp_path / "m"), bare)
    with pytest.raises(InputError, match="it is empty"):
        train(sft.METHOD, options(sft, tiny, tmp_path / "m"), [])
    for wrong in ({"batch_size": 0}, {"learning_rate": float("nan")}, {"report_to": ("nobody",)}):
        (name,) = wrong
        with pytest.raises(InputError, match=name.replace("_", "-")):
            train(sft.METHOD, options(sft, tiny, tmp_path / "m", **wrong), PAIRS)
    assert not (tmp_path / "m").exists()


def test_a_training_that_diverges_makes_no_model(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"diverged.*--learning-rate"):
        train(sft.METHOD, options(sft, tiny, tmp_path / "m", learning_rate=1e30), PAIRS)
    # the last step's damage shows in no loss any more
    once = {"learning_rate": 1e39, "max_steps": 1, "warmup": 0.0, "schedule": "constant"}
    with pytest.raises(InputError, match="diverged"):
        train(sft.METHOD, options(sft, tiny, tmp_path / "n", **once), PAIRS)
    for name in "mn":
        assert not list((tmp_path / name).glob("*.safetensors"))
        record = read_record(tmp_path / name)
        assert record.status == "failed" and "diverged" in (record.note or "")


def test_a_checkpoint_torn_in_its_last_file_is_passed_over(tmp_path: Path) -> None:
    for step, state in ((4, "{}"), (12, '{"loss": NaN}'), (16, '{"epoch": 1.')):
        folder = tmp_path / checkpoints.FOLDER / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text(state)
    (tmp_path / checkpoints.FOLDER / "checkpoint-20").mkdir()
    found = checkpoints.find_last(tmp_path)
    assert found is not None and found.name == "checkpoint-12"


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_at_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    jsonl.write(tmp_path / "pairs.jsonl", PAIRS)
    given = "--lora-rank 0 --epochs 30 --batch-size 4 --checkpoint-steps 10 --learning-rate 1e-3"

    def start(out: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "trueline", "train", "sft", str(tmp_path / "pairs.jsonl")]
        command += ["--model", str(tiny), "--out", str(tmp_path / out), *given.split()]
        once = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=once)

    whole, cut = start("whole"), start("cut")
    assert cut.stderr is not None
    while not list((tmp_path / "cut").glob("checkpoints/checkpoint-*/trainer_state.json")):
        assert cut.stderr.readline(), "it ended before it could be killed"
    cut.kill()
    cut.communicate()
    assert cut.returncode == -signal.SIGKILL and not (tmp_path / "cut" / card.CARD).exists()
    _, said = start("cut").communicate()
    assert "continuing from step" in said
    assert whole.communicate() and whole.returncode == 0
    assert card.read(tmp_path / "cut").resumed_from >= 10
    assert same(tmp_path / "whole", tmp_path / "cut")


def test_the_longest_batch_comes_first_and_every_row_once() -> None:
    lengths = [(7 * i) % 50 + (100 if i == 61 else 0) for i in range(103)]
    order = Order(lengths, 4, seed=3)
    first = list(order)
    assert 61 in first[:4] and sorted(first) == list(range(103))
    assert list(order) == first
    order.set_epoch(1)
    second = list(order)
    assert second != first and sorted(second) == list(range(103))
    spread = [
        max(w) - min(w) for w in ([lengths[i] for i in first[k : k + 4]] for k in range(4, 100, 4))
    ]
    assert sum(spread) / len(spread) < 15  # about 40 in a random order


def test_a_template_file_replaces_the_models(tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "chat.jinja"
    file.write_text(CHATML.replace("'<|im_start|>' + message['role']", "'<|im_start|>the '"))
    made = train(
        sft.METHOD, options(sft, tiny, tmp_path / "m", chat_template=file, max_steps=1), PAIRS
    )
    assert made.template == file.read_text()
    assert AutoTokenizer.from_pretrained(tmp_path / "m").chat_template == file.read_text()
