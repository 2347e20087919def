"""The record of a run: the same for every verb, with settings, inputs and the runs behind them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.evaluate.made import SUMS

from trueline.agreement.agree import Options as AgreeOptions
from trueline.agreement.agree import agree
from trueline.cli import main
from trueline.evaluate.options import Options as EvaluateOptions
from trueline.evaluate.run import evaluate
from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.labellers.label import Options as LabelOptions
from trueline.labellers.label import label
from trueline.policy.load import load
from trueline.recipes.convert import Options as ConvertOptions
from trueline.recipes.convert import convert
from trueline.recipes.kinds.safer_instruct import Options as BuildOptions
from trueline.recipes.kinds.safer_instruct import build
from trueline.runs.record import RunRecord, command_words, file_inputs, made_by, read_record

PLACES: dict[str, Any] = {"ledger": Path("l.sqlite"), "quiet": True}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with texts, benchmark items and scripted models."""
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text("The river under the bridge.\nA quiet garden at noon.\n")
    Path("sums.jsonl").write_text('{"ask": "What is 1 and 1?", "sum": 2, "kind": "k"}\n')
    Path("sums.toml").write_text(SUMS)
    Path("reverse.json").write_text(
        json.dumps(
            [
                {"match": "river", "answers": ["Tell me about the river there."]},
                {"answers": ["Tell me about a garden."]},
            ]
        )
    )
    Path("expert.json").write_text(json.dumps([{"answers": ["Gladly, it is 2."]}]))
    for name in ("judge", "second"):
        answer = json.dumps({"reason": name, "safe": "yes"})
        Path(f"{name}.json").write_text(json.dumps([{"answers": [answer]}]))
    return tmp_path


BUILD = BuildOptions(
    texts=(Path("texts.txt"),),
    out=Path("pairs"),
    reverse="scripted:reverse.json",
    expert="scripted:expert.json",
    **PLACES,
)
LABEL = LabelOptions(
    data=Path("pairs"),
    out=Path("labels"),
    labeller="scripted:judge.json",
    question=("safe",),
    **PLACES,
)
EVALUATE = EvaluateOptions(
    model="scripted:expert.json",
    benchmark=("sums.toml",),
    data=Path(),
    out=Path("results"),
    **PLACES,
)
CONVERT = ConvertOptions(source=Path("pairs"), out=Path("converted"), quiet=True)
AGREE = AgreeOptions(data=Path("pairs"), labels=(Path("labels"), Path("more")), consensus=Path("c"))


def run_all() -> None:
    """One run of each verb, each on what those before it made."""
    assert build(BUILD) is not None
    assert label(LABEL) is not None
    assert label(replace(LABEL, out=Path("more"), labeller="scripted:second.json")) is not None
    assert evaluate(EVALUATE) is not None
    convert(CONVERT, load())
    agree(AGREE)


FOLDERS = {
    "build safer-instruct": "pairs",
    "label": "labels",
    "evaluate": "results",
    "convert": "converted",
    "agree": "c",
}


def test_every_verb_leaves_a_record_of_what_it_was_made_of() -> None:
    run_all()
    records = {verb: read_record(Path(folder)) for verb, folder in FOLDERS.items()}
    for verb, record in records.items():
        assert record.command == f"trueline {verb}" and record.complete
        assert record.argv[: 1 + len(verb.split())] == ("trueline", *verb.split())
        assert record.settings and record.versions["trueline"] and record.finished
        assert record.inputs and all(given.path and given.kind for given in record.inputs)
    built, labelled = records["build safer-instruct"], records["label"]
    assert {given.kind for given in built.inputs} == {
        "file", "policy", "reverse model", "expert model",
    }  # fmt: skip
    kinds = {given.kind: given for given in labelled.inputs}
    assert kinds["labeller"].hash and kinds["judge model"].path == "scripted:judge.json"
    # the lineage: whatever is made of a run's folder names that run
    assert kinds["data set"].run == built.identity == made_by(Path("pairs"))
    assert built.identity in {given.run for given in records["convert"].inputs}
    assert {given.run for given in records["agree"].inputs} >= {built.identity, labelled.identity}
    assert any(given.kind == "benchmark" for given in records["evaluate"].inputs)


def test_the_words_of_a_record_run_the_command_again(monkeypatch: pytest.MonkeyPatch) -> None:
    build(BUILD)
    words = read_record(Path("pairs")).argv
    assert words == tuple(shlex.split(read_record(Path("pairs")).command_line))
    monkeypatch.setattr("sys.argv", ["again" if word == "pairs" else word for word in words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    first, second = read_record(Path("pairs")), read_record(Path("again"))
    assert first.identity == second.identity and first.rows == second.rows


def test_keys_in_names_are_in_no_word() -> None:
    options = replace(BUILD, expert="http://me:secret@host/v1#m")
    assert "secret" not in shlex.join(command_words("build safer-instruct", options))


CHANGES: dict[str, tuple[Callable[[], object], str]] = {
    "build": (lambda: build(replace(BUILD, candidates=2)), "candidates: 4 there, 2 here"),
    "label": (
        lambda: label(replace(LABEL, answer_tokens=64)),
        "answer_tokens: 1024 there, 64 here",
    ),
    "evaluate": (
        lambda: evaluate(replace(EVALUATE, temperature=0.7)),
        r"temperature: 0\.0 there, 0\.7 here",
    ),
    "convert": (
        lambda: convert(replace(CONVERT, license="CC0-1.0"), load()),
        r"license: null there, CC0-1\.0 here",
    ),
    "agree": (
        lambda: agree(replace(AGREE, question=("safe",))),
        r'question: \[\] there, \["safe"\] here',
    ),
}


def test_a_command_that_is_refused_names_the_settings_that_differ() -> None:
    run_all()
    for again, message in CHANGES.values():
        with pytest.raises(InputError, match=message):
            again()


def test_a_model_or_a_file_that_differs_is_named_too() -> None:
    build(BUILD)
    Path("expert.json").write_text(json.dumps([{"answers": ["It is another."]}]))
    with pytest.raises(InputError, match=r"expert model scripted:expert\.json: .* there, .* here"):
        build(BUILD)
    Path("texts.txt").write_text("Another river under another bridge.\n")
    with pytest.raises(InputError, match=r"texts: .*texts\.txt.* there, .*texts\.txt.* here"):
        build(BUILD)


def test_a_record_reads_back_as_it_was_written() -> None:
    record = build(BUILD)
    assert isinstance(record, RunRecord) and read_record(Path("pairs")) == record
    with pytest.raises(InputError, match=r"has no record \(run\.json\)"):
        read_record(Path())
    (Path("pairs") / "run.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        read_record(Path("pairs"))


def test_a_plugin_file_is_an_input_and_stands_in_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugins, "_files", {})
    Path("mine.py").write_text("FORMAT = None\n")
    plugins.add_file(Path("mine.py"))
    options = LabelOptions(
        data=Path("texts.txt"), labeller="refusal", question=("refusal",), out=Path("o"), **PLACES
    )
    words = command_words("label", options)
    assert words[:4] == ("trueline", "--plugin", str(Path("mine.py").resolve()), "label")
    [plugin] = [given for given in file_inputs(options) if given.kind == "plug-in"]
    assert plugin.path.endswith("mine.py") and plugin.hash
