"""Names of models, scripted models, and the bundled one."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.ledger.sqlite import open_ledger
from trueline.ledger.summary import summary
from trueline.models.contract import Completion, ModelError, Unsupported
from trueline.models.ledgered import record
from trueline.models.local import weights
from trueline.models.open import locate, open_model
from trueline.models.scripted import Scripted, script
from trueline.records.types import Message, Sampling, Tool, ToolCall

ASKED = [Message("user", "How is the weather?")]
SAMPLING = Sampling(max_tokens=8)


@pytest.mark.parametrize("name", ["", "gpt-4", "no/such/folder", "folder:adapter", "hf"])
def test_an_unknown_name_is_told_the_forms(name: str) -> None:
    with pytest.raises(InputError, match=r"(?s)nano:reverse.*hf:ORG/NAME.*http.*scripted:FILE"):
        open_model(name)


def test_a_folder_that_cannot_be_a_model_is_told_before_any_call(
    tiny: Path, tmp_path: Path
) -> None:
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny / "base", pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled ones are never loaded"):
        open_model(str(pickled))
    torn = tmp_path / "torn"
    shutil.copytree(tiny / "chat", torn)
    for text, told in (("{", "cannot be read"), ("[]", "no JSON object")):
        (torn / "adapter_config.json").write_text(text)
        with pytest.raises(InputError, match=told):
            open_model(str(torn))


def test_names_of_folders_and_adapters(tiny: Path) -> None:
    for name in (f"{tiny}:chat", f"{tiny}/chat", f"{tiny}/reverse/../chat"):
        found = locate(name)
        assert (found.base.resolve(), found.adapter and found.adapter.resolve()) == (
            tiny / "base",
            tiny / "chat",
        )
        assert found.template is not None
    assert locate(f"{tiny}/base") == weights.Weights("base", tiny / "base")
    with pytest.raises(InputError, match="no adapter 'other'"):
        locate(f"{tiny}:other")
    with pytest.raises(InputError, match="holds no model"):
        locate(str(tiny))


@pytest.mark.parametrize("base", ["nano", "nano:base"])
def test_an_adapter_may_name_nano_as_its_base(tmp_path: Path, base: str) -> None:
    settings = {"base_model_name_or_path": base}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    (tmp_path / "adapter_model.safetensors").touch()
    assert locate(str(tmp_path)).base == weights.nano_folder() / "base"


def test_an_adapter_whose_base_is_gone_says_so(tmp_path: Path) -> None:
    settings = {"base_model_name_or_path": "../gone"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"\.\./gone"):
        locate(str(tmp_path))


def test_nano_has_its_parts() -> None:
    assert locate("nano") == locate("nano:chat")
    assert locate("nano:base").plain
    assert locate("nano:reverse").adapter == weights.nano_folder() / "reverse"
    with pytest.raises(InputError, match=r"no part 'other'; it has base, .*reverse"):
        locate("nano:other")


@pytest.mark.slow
async def test_the_parts_of_nano_answer_and_score() -> None:
    sampling = Sampling(0.0, max_tokens=12)
    models = [open_model(name) for name in ("nano", "nano:reverse", "nano:base")]
    assert len({model.identity for model in models}) == 3
    for model, folded in zip(models, (None, None, "plain"), strict=True):
        (drawn,) = await model.generate(ASKED, sampling)
        assert drawn.folded == folded
        assert drawn.completion_tokens > 0
        scores = await model.loglikelihood(ASKED, ["It is warm.", "Xq zzv kkj."])
        assert scores[1] < scores[0] < 0
    await asyncio.gather(*(model.close() for model in models))


def test_opening_an_endpoint_or_a_script_loads_nothing_heavy() -> None:
    code = (
        "import sys, trueline.models.open, trueline.models.ledgered, trueline.ledger.summary\n"
        "print([m for m in ('torch', 'transformers', 'peft', 'aiohttp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ---- scripted --------------------------------------------------------------------------------

RULES = [
    {"match": "weather", "answers": ["It rains.", "It may rain."], "loglikelihoods": {"yes": -0.1}},
    {"regex": "^Write", "fail": "a failure on demand"},
    {"match": "nothing"},
    {"answers": ["Pardon?"]},
]


@pytest.mark.parametrize("form", ["json", "jsonl"])
async def test_a_script_answers_by_its_first_rule_that_fits(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"script.{form}"
    lines = "\n".join(json.dumps(rule) for rule in RULES)
    path.write_text(lines if form == "jsonl" else json.dumps(RULES))
    model = open_model(f"scripted:{path}")
    drawn = await model.generate(ASKED, SAMPLING, n=3, first=1)
    assert [c.text for c in drawn] == ["It may rain.", "It rains.", "It may rain."]
    assert (await model.generate([Message("user", "?")], SAMPLING))[0].text == "Pardon?"
    assert await model.loglikelihood(ASKED, ["yes"]) == [-0.1]
    with pytest.raises(ModelError, match="no likelihood for 'no'"):
        await model.loglikelihood(ASKED, ["no"])
    with pytest.raises(ModelError, match="on demand"):
        await model.generate([Message("user", "Write a poem")], SAMPLING)
    with pytest.raises(ModelError, match="no answers"):
        await model.generate([Message("user", "nothing")], SAMPLING)


async def test_a_script_calls_tools_that_are_offered_and_continues_begun_turns(
    tmp_path: Path,
) -> None:
    path = tmp_path / "script.json"
    call = {"id": "1", "name": "forecast", "arguments": '{"day": 1}'}
    answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    begun = {"match": "Sure", "answers": [", it rains."]}
    path.write_text(json.dumps([{"match": "weather", "answers": [answer]}, begun]))
    model = script(path)
    (drawn,) = await model.generate(ASKED, SAMPLING, tools=[Tool("forecast", "The weather.")])
    assert drawn.message.tool_calls == (ToolCall("1", "forecast", '{"day": 1}'),)
    assert drawn.finish == "tool_calls"
    with pytest.raises(ModelError, match="calls 'forecast', a tool that is not offered"):
        await model.generate(ASKED, SAMPLING, tools=[Tool("other", "Another.")])
    (continued,) = await model.generate(ASKED, SAMPLING, start="Sure")
    assert continued.text == ", it rains."
    assert model.requests[-1] == (tuple(ASKED), 0, 1, (), "Sure")


def test_a_scripts_identity_is_that_of_its_rules(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("a.json", "b.jsonl", "c.json"))
    one.write_text(json.dumps(RULES))
    same.write_text("\n".join(json.dumps(rule) for rule in RULES))
    other.write_text(json.dumps(RULES[:2]))
    assert script(one).identity == script(same).identity != script(other).identity


async def test_a_rule_of_a_script_may_hold_any_line_separator(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text('{"match": "tea", "answers": ["one\u2028two\u0085"]}\n', encoding="utf-8")
    found = await script(path).generate([Message("user", "tea?")], SAMPLING)
    assert found[0].text == "one\u2028two\u0085"


@pytest.mark.parametrize("text", ['{"answer": "x"}', "[1]", "answers"])
def test_a_script_that_cannot_be_read_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "script.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"script\.json: a script is a JSON list"):
        open_model(f"scripted:{path}")
    with pytest.raises(InputError, match="cannot be read"):
        open_model(f"scripted:{tmp_path}/none.json")


async def test_a_scripted_function_in_the_ledger(tmp_path: Path) -> None:
    def answer(messages: object, _sampling: Sampling, index: int) -> str | Completion:
        if index == 3:
            raise ModelError("no fourth")
        return f"answer {index}"

    inner = Scripted(answer, lambda _messages, text: -float(len(text)), identity="s")
    path = tmp_path / "l.sqlite"
    async with await open_ledger(path, run="r") as ledger:
        model = record(inner, ledger)
        assert [c.text for c in await model.generate(ASKED, SAMPLING, n=2)] == [
            "answer 0",
            "answer 1",
        ]
        assert len(await model.generate(ASKED, SAMPLING, n=3)) == 3
        with pytest.raises(ModelError, match="no fourth"):
            await model.generate(ASKED, SAMPLING, n=4)
        assert await model.loglikelihood(ASKED, ["a", "bb"]) == [-1.0, -2.0]
        assert await model.loglikelihood(ASKED, ["a", "bb"]) == [-1.0, -2.0]
    assert [(asked.first, asked.n) for asked in inner.requests] == [(0, 2), (2, 1), (3, 1), (0, 2)]
    (spend,) = summary(path)
    assert (spend.calls, spend.answers, spend.attempts) == (3, 4, 4)
    assert spend.failures == {"ModelError": 1}
    with pytest.raises(Unsupported):
        await Scripted(answer).loglikelihood(ASKED, ["a"])
