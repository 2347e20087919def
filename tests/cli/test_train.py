from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.train.tiny import tiny_model
from typer.testing import CliRunner

from trueline.cli.app import app
from trueline.files.errors import InputError
from trueline.records.store import jsonl
from trueline.records.types import Example, Message, Response
from trueline.runs.options import option_fields
from trueline.train.methods import find_method, method_names

run = CliRunner().invoke


def test_every_method_is_a_command_that_explains_its_options() -> None:
    assert {"preference", "reverse", "sft"} <= set(method_names())
    for name in method_names():
        shown = run(app, ["train", name, "--help"])
        assert shown.exit_code == 0
        for field in option_fields(find_method(name).Options):
            if field.name != "data":
                assert f"--{field.name.replace('_', '-')}" in shown.output


def test_train_from_the_command_line(tmp_path: Path) -> None:
    tiny_model(tmp_path / "tiny")
    answer = Response((Message("assistant", "warm"),))
    rows = [Example.new([Message("user", f"tea {i}?")], [answer]) for i in range(4)]
    data = tmp_path / "rows.jsonl"
    jsonl.write(data, rows)
    given = [str(data), "--model", str(tmp_path / "tiny"), "--lora-rank", "0", "--max-steps", "1"]
    done = run(app, ["train", "sft", *given, "--out", str(tmp_path / "m"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["method"] == "sft" and found["data"]["rows"] == 4 and found["steps"] == 1
    assert (tmp_path / "m" / "model.safetensors").exists()
    again = run(app, ["train", "sft", *given, "--out", str(tmp_path / "m")])
    assert isinstance(again.exception, InputError) and "finished" in str(again.exception)


@pytest.mark.parametrize("given", [["--out", "x"], ["data.jsonl"]])
def test_data_and_out_must_be_named(given: list[str]) -> None:
    assert run(app, ["train", "sft", *given]).exit_code == 2
