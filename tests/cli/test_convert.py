"""`trueline convert`: rows in = rows out + rejects, losses said, nothing overwritten."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from trueline.cli.convert import command
from trueline.files.errors import InputError
from trueline.formats.load import load
from trueline.formats.registry import find_formats
from trueline.policy.load import load as load_policy
from trueline.policy.values import preferred_responses
from trueline.recipes.conversion import Conversion, Options
from trueline.recipes.convert import convert
from trueline.records.store import dataset, jsonl
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Message
from trueline.runs.record import read_record

HEADER = "instruction,rejected,chosen,label\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    rows = [f"ask {i},no {i},{'sorry' if i < 6 else f'yes {i}'},tea" for i in range(10)]
    path.write_text(HEADER + "\n".join(rows) + "\nlast,,yes,tea\n")
    return path


def ask(source: Path, out: Path, **more: Any) -> Conversion:
    return convert(Options(source=source, out=out, quiet=True, **more), load_policy())


@pytest.mark.parametrize(
    ("name", "rows", "blank"),
    [
        ("hate", 3_274, 0),
        ("illegal", 2_384, 2_384),
        ("nsfw", 2_149, 2_149),
        ("self-harm", 2_447, 0),
    ],
)
def test_the_released_data(
    shared_data: Path, tmp_path: Path, name: str, rows: int, blank: int
) -> None:
    source = shared_data / "preferences" / f"safer_instruct_{name}.csv.gz"
    found = ask(source, tmp_path / "out", from_="safer-instruct")
    assert found.examples + found.rejected == rows
    assert found.rejects == ({"rejected is blank": blank} if blank else {})
    manifest = read_manifest(tmp_path / "out")
    assert (manifest.rows, manifest.rejected) == (rows - blank, blank)
    numbers = [e.source.row for e in dataset.read(tmp_path / "out") if e.source]
    assert numbers == list(range(1, rows - blank + 1))
    if not blank:
        most, total = found.boilerplate
        assert total == rows
        assert 0.22 <= most / total <= 0.58


def test_there_and_back(table: Path, tmp_path: Path) -> None:
    found = ask(table, tmp_path / "set", from_="safer-instruct", license="CC0", tag=("lang:en",))
    assert (found.examples, found.rejects) == (10, {"rejected is blank": 1})
    assert found.boilerplate == (6, 10)
    first = next(dataset.read(tmp_path / "set"))
    assert first.source is not None
    assert (first.source.license, first.tags) == ("CC0", ("domain:tea", "lang:en"))
    back = ask(tmp_path / "set", tmp_path / "back.csv.gz", to="safer-instruct")
    assert back.losses == {"source": 10, "licence": 10, "tag lang": 10}
    with gzip.open(tmp_path / "back.csv.gz", "rt", newline="") as file:
        assert list(csv.DictReader(file)) == list(csv.DictReader(table.open()))[:10]


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "t.tsv.gz", "t.parquet"])
def test_trl_in_every_kind_of_file(table: Path, tmp_path: Path, name: str) -> None:
    ask(table, tmp_path / "set", from_="safer-instruct")
    ask(tmp_path / "set", tmp_path / name, to="trl-preference")
    read = [e for e in load(tmp_path / name, "trl-preference") if isinstance(e, Example)]
    assert list(map(preferred_responses, read)) == list(
        map(preferred_responses, dataset.read(tmp_path / "set"))
    )
    if name.endswith(".parquet"):
        columns = pq.read_schema(tmp_path / name)
        assert columns.names == ["prompt", "chosen", "rejected"]


def test_parquet_holds_what_only_later_rows_have(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    plain = {"prompt": "p", "chosen": "a", "rejected": "b"}
    late = plain | {"chosen": [{"role": "assistant", "content": "a", "reasoning_content": "why"}]}
    path.write_text("\n".join(map(json.dumps, [plain] * 1_500 + [late])))
    ask(path, tmp_path / "y.parquet", from_="trl-preference", to="trl-preference")
    *_, last = load(tmp_path / "y.parquet", "trl-preference")
    assert isinstance(last, Example)
    assert last.responses[0].messages[0].reasoning == "why"


def test_jsonl_with_rejects_beside_it(table: Path, tmp_path: Path) -> None:
    ask(table, tmp_path / "x.jsonl.gz", from_="safer-instruct")
    assert len(list(jsonl.read(tmp_path / "x.jsonl.gz"))) == 10
    (reject,) = jsonl.rejects(tmp_path / "x.jsonl.gz.rejects.jsonl")
    assert (reject.row, reject.message) == (11, "rejected is blank")
    ask(tmp_path / "x.jsonl.gz", tmp_path / "y.jsonl")
    assert not (tmp_path / "y.jsonl.rejects.jsonl").exists()


def test_evaluation_prompts_and_boilerplate_are_turned_away(table: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.jsonl"
    long = "please explain to me at length how one makes a good pot of tea for five"
    suite.write_text(json.dumps({"prompt": long}) + "\n")
    table.write_text(table.read_text() + f"{long} guests,no,yes,tea\n")
    found = ask(
        table,
        tmp_path / "set",
        from_="safer-instruct",
        decontaminate=(suite,),
        keep_boilerplate=2,
    )
    assert found.rejects == {"boilerplate": 4, "rejected is blank": 1, "in an evaluation set": 1}
    assert found.examples == 6


def test_nothing_is_overwritten(table: Path, tmp_path: Path) -> None:
    ask(table, tmp_path / "set", from_="safer-instruct")
    for out, more in (
        (tmp_path / "set", {"from_": "safer-instruct"}),
        (table, {"from_": "safer-instruct", "to": "safer-instruct"}),
        (tmp_path / "new.csv", {"from_": "safer-instruct"}),
        (tmp_path / "new.xlsx", {"from_": "safer-instruct", "to": "safer-instruct"}),
    ):
        before = table.read_bytes()
        with pytest.raises(InputError):
            ask(table, out, **more)
        assert table.read_bytes() == before


def test_a_wrong_column_leaves_no_folder(table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'question'"):
        ask(table, tmp_path / "set", from_="columns", map=("prompt=question",))
    assert not (tmp_path / "set").exists()


def test_a_wrong_column_behind_a_bad_row_leaves_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("q,a\none,two,three\nhow?,so\n")
    with pytest.raises(InputError, match="no column 'question'"):
        ask(path, tmp_path / "set", from_="columns", map=("prompt=question",))
    assert not (tmp_path / "set").exists()
    found = ask(path, tmp_path / "set", from_="columns", map=("prompt=q",))
    assert (found.examples, found.rejected) == (1, 1)


def test_a_data_set_is_never_changed_nor_taken_for_whole(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(table, tmp_path / "set", from_="safer-instruct")
    for inside in ("", "sub", "sub/deep.jsonl"):
        with pytest.raises(InputError, match="never changed"):
            ask(tmp_path / "set", tmp_path / "set" / inside)
    with pytest.raises(InputError, match="one file at a time"):
        ask(tmp_path / "set", tmp_path / "other", from_="safer-instruct")
    writer = dataset.Writer(tmp_path / "half")
    for example in dataset.read(tmp_path / "set"):
        writer.add(example)
    writer.close(complete=False)
    for out in ("copy", "copy.jsonl"):
        assert run(str(tmp_path / "half"), str(tmp_path / out)) == 1
        assert f"{tmp_path / 'half'} is unfinished" in capsys.readouterr().out


def test_rejects_of_another_time_are_not_overwritten(table: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.rejects.jsonl").write_text("mine")
    with pytest.raises(InputError, match="nothing is overwritten"):
        ask(table, tmp_path / "a.jsonl", from_="safer-instruct")
    assert (tmp_path / "a.jsonl.rejects.jsonl").read_text() == "mine"
    assert not (tmp_path / "a.jsonl").exists()


def run(*arguments: str) -> int:
    try:
        command.main(list(arguments))
    except SystemExit as done:
        return int(str(done.code or 0))
    return 0


def test_the_command(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--from", "safer-instruct")
    assert run(str(table), str(tmp_path / "a"), *out, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["examples"], shown["rejects"]) == (10, {"rejected is blank": 1})
    assert run(str(table), str(tmp_path / "b"), *out, "--max-rejects", "10%") == 0
    assert run(str(table), str(tmp_path / "c"), *out, "--max-rejects", "0.01") == 1
    assert run(str(table), str(tmp_path / "d.csv"), *out, "--to", "safer-instruct") == 1
    captured = capsys.readouterr()
    assert "source: 10 Examples" in captured.err
    assert "11 rows: 10 Examples, 1 rejects" in captured.out
    assert "sorry" not in captured.out + captured.err
    mapped = ("--from", "columns", "--map", "prompt=instruction", "--map", "response=chosen")
    assert run(str(table), str(tmp_path / "e"), *mapped) == 0
    assert "columns that the format does not read: label (11), rejected (11)" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ("--max-rejects", "some"),
        ("--max-rejects", "nan%"),
        ("--max-rejects", "-1"),
        ("--tag", "english"),
        ("--from", "columns", "--map", "prompt"),
        ("--from", "safer-instruct", "--map", "prompt=instruction"),
        ("--from", "columns"),
        ("--from", "unheard-of"),
        (),
    ],
)
def test_wrong_use(table: Path, tmp_path: Path, wrong: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        run(str(table), str(tmp_path / "out"), *wrong)
    assert not (tmp_path / "out").exists()


PKU = {
    "prompt": "how?",
    "response_0": "one",
    "response_1": "two",
    "is_response_0_safe": True,
    "is_response_1_safe": False,
    "better_response_id": 1,
    "safer_response_id": 0,
}


def test_a_named_question_decides(tmp_path: Path) -> None:
    path = tmp_path / "pku.jsonl"
    single = {name: value for name, value in PKU.items() if name != "safer_response_id"}
    path.write_text(json.dumps(PKU) + "\n" + json.dumps(single | {"prompt": "why?"}))
    ask(path, tmp_path / "set", from_="pku-saferlhf")
    open_choice = ask(tmp_path / "set", tmp_path / "open.jsonl", to="trl-preference")
    assert open_choice.rejects == {"no preference is labelled, but more_helpful and safer": 1}
    for question, chosen in (("safer", "one"), ("more_helpful", "two")):
        out = tmp_path / f"{question}.jsonl"
        found = ask(tmp_path / "set", out, to="trl-preference", preference=question)
        assert found.rejects == {f"no '{question}' preference is labelled, but preferred": 1}
        assert json.loads(out.read_text())["chosen"][0]["content"] == chosen
    ask(tmp_path / "set", tmp_path / "decided", preference="safer")
    (example,) = dataset.read(tmp_path / "decided")
    assert preferred_responses(example) == example.responses
    assert {(x.by.kind, x.by.name) for x in example.labels if x.question == "preferred"} == {
        ("derived", "prefer safer")
    }


def test_an_example_may_make_several_rows(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "kto.jsonl"
    found = ask(table, out, from_="safer-instruct", to="trl-unpaired")
    assert (found.examples, found.rows, found.rejected) == (10, 20, 1)
    assert len(out.read_text().splitlines()) == 20
    assert found.losses["label preferred"] == 10
    arguments = ("--from", "trl-unpaired", "--to", "trl-prompt-only")
    assert run(str(out), str(tmp_path / "prompts.jsonl"), *arguments) == 0
    captured = capsys.readouterr()
    assert "columns that the format does not read" not in captured.out
    assert "label desirable: 20 Examples" in captured.err


def test_a_hub_is_not_yet_read(table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not yet fetched from a hub"):
        ask(table, tmp_path / "set", from_="hub:SOME/NAME@main")
    assert not (tmp_path / "set").exists()


def test_the_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    shown = capsys.readouterr().out
    for name, format in find_formats().items():
        assert f"{name} " in shown and format.about in shown
    assert "the released data is CC-BY-NC-4.0" in shown


def test_the_licence_that_data_commonly_has_is_said_but_not_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pku.jsonl"
    path.write_text(json.dumps(PKU))
    assert run(str(path), str(tmp_path / "a"), "--from", "pku-saferlhf") == 0
    assert "pku-saferlhf: the released data is CC-BY-NC-4.0" in capsys.readouterr().err
    (example,) = dataset.read(tmp_path / "a")
    assert example.source is not None and example.source.license is None
    named = ("--from", "pku-saferlhf", "--license", "CC0")
    assert run(str(path), str(tmp_path / "b"), *named) == 0
    assert "CC-BY-NC" not in capsys.readouterr().err


def test_a_call_of_a_tool_is_no_blank_response(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    calling = {"role": "assistant", "content": None, "tool_calls": [call]}
    path.write_text(json.dumps({"messages": [{"role": "user", "content": "how?"}, calling]}))
    assert ask(path, tmp_path / "set", from_="openai-chat").examples == 1


def test_what_is_lost_is_named_as_a_terminal_may_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = Example.new([Message("user", "how?")], tags=["\x1b[2Jkey:value"])
    jsonl.write(tmp_path / "x.jsonl", [example])
    assert run(str(tmp_path / "x.jsonl"), str(tmp_path / "y.jsonl"), "--to", "openai-chat") == 0
    captured = capsys.readouterr()
    assert "[2Jkey: 1 Examples" in captured.err
    assert "\x1b" not in captured.err + captured.out


def test_every_conversion_has_its_record_and_lineage(table: Path, tmp_path: Path) -> None:
    ask(table, tmp_path / "set", from_="safer-instruct")
    ask(tmp_path / "set", tmp_path / "kto.jsonl", to="trl-unpaired", tag=("lang:en",))
    ask(tmp_path / "set", tmp_path / "ours.jsonl.gz")
    ask(tmp_path / "kto.jsonl", tmp_path / "back", from_="trl-unpaired")
    first, second, third, last = (
        read_record(tmp_path / name) for name in ("set", "kto.jsonl", "ours.jsonl.gz", "back")
    )
    assert [(x.kind, x.run) for x in first.inputs] == [("file", None), ("policy", None)]
    for record in (second, third):
        source = record.inputs[0]
        assert (source.kind, source.run) == ("data set", first.identity)
        assert (record.status, record.rows, record.rejects) == ("complete", 10, 0)
    assert last.inputs[0].run == second.identity
    words = ["trueline", "convert", "set", "kto.jsonl", "--to", "trl-unpaired", "--tag", "lang:en"]
    assert [Path(word).name for word in second.argv if word != "--quiet"] == words
    assert first.stages[0].rejected == {"rejected is blank": 1}
    assert second.identity != third.identity
    with pytest.raises(InputError, match=r"ours.jsonl.gz.run.json exists: nothing is overwritten"):
        (tmp_path / "ours.jsonl.gz").unlink()
        ask(tmp_path / "set", tmp_path / "ours.jsonl.gz")


def test_what_cannot_be_written_is_counted_in_the_record(tmp_path: Path) -> None:
    tied = Example.new([Message("user", "how?")], [])
    jsonl.write(tmp_path / "in.jsonl", [tied])
    found = ask(tmp_path / "in.jsonl", tmp_path / "out.jsonl", to="trl-preference")
    assert found.rejects == {"no preference is labelled": 1}
    record = read_record(tmp_path / "out.jsonl")
    assert (record.rows, record.rejects) == (0, 1)
    assert [(s.name, s.seen, s.passed) for s in record.stages][-1] == ("write", 1, 0)
    (reject,) = jsonl.rejects(tmp_path / "out.jsonl.rejects.jsonl")
    assert (reject.step, reject.example) == ("write", tied)
