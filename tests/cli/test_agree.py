"""`trueline agree`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.agreement.rated import A, B, C, label, made
from typer.testing import CliRunner

from trueline.cli.app import app
from trueline.files.errors import InputError
from trueline.records.store import dataset, jsonl
from trueline.records.types import Example, Label, LabellerId, with_labels

runner = CliRunner()


def written(path: Path, by: list[LabellerId], fails: int = 0, count: int = 100) -> Path:
    """Examples that all answer alike but for the last, who fails on some and errs on five."""
    examples: list[Example] = []
    for n in range(count):
        example = made(n)
        given: list[Label] = []
        for rater in by:
            erring = rater is by[-1] and n < 5
            failed = rater is by[-1] and n >= count - fails
            given.append(label(example, "safe", rater, None if failed else (n % 2 == 0) != erring))
        examples.append(with_labels(example, *given))
    jsonl.write(path, examples)
    return path


def test_the_figures_are_printed_and_given_as_json(tmp_path: Path) -> None:
    source = written(tmp_path / "data.jsonl", [A, B])
    done = runner.invoke(app, ["agree", str(source)])
    assert done.exit_code == 0, done.output
    assert f"{source}: 100 Examples; labels by person Ada (100), person Ben (100)" in done.stdout
    assert "safe (yes-no; α is Krippendorff's, nominal)" in done.stdout
    assert "Ada and Ben: α 0.900 (0.8" in done.stdout
    assert "agreed 95.0%, κ 0.900, 100 items in 100 clusters" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["yes", "47", "3"] in rows and ["no", "2", "48"] in rows
    found = json.loads(runner.invoke(app, ["agree", str(source), "--json"]).stdout)
    [one] = found["questions"][0]["agreements"]
    assert (one["raw_agreement"], one["confusion"]["counts"]) == (0.95, [[47, 3], [2, 48]])
    assert one["alpha"]["units"] == 100


def test_labels_apart_are_joined(tmp_path: Path) -> None:
    source = written(tmp_path / "data.jsonl", [A])
    writer = dataset.Writer(tmp_path / "judge", labels_only=True)
    for example in jsonl.read(source):
        assert isinstance(example, Example)
        writer.add(msgspec.structs.replace(example, labels=(label(example, "safe", C, True),)))
    writer.close(complete=False)
    done = runner.invoke(app, ["agree", str(source), str(tmp_path / "judge")])
    assert "Ada and judge: α" in done.stdout
    assert f"{tmp_path / 'judge'} is unfinished" in done.stdout and done.exit_code == 1


def test_rows_that_are_no_examples_are_told(tmp_path: Path) -> None:
    source = written(tmp_path / "data.jsonl", [A, B])
    with source.open("ab") as file:
        file.write(b'{"trueline": 1, "id": "torn\n')
    done = runner.invoke(app, ["agree", str(source)])
    assert done.exit_code == 1
    assert f"{source}: 100 Examples" in done.stdout
    assert "  1 rows of it are no Examples and were left out" in done.stdout


def test_under_the_floor_there_is_no_figure_and_the_exit_is_1(tmp_path: Path) -> None:
    source = written(tmp_path / "data.jsonl", [A, C], fails=30)
    done = runner.invoke(app, ["agree", str(source)])
    assert done.exit_code == 1
    assert "judge answered 70 of 100 (70.0%)" in done.stdout
    assert "unscored: 30 × the judge failed" in done.stdout
    assert "no: 36.0% to 66.0%, by what the unscored could be" in done.stdout
    assert "raw agreement is between 65.0% and 95.0%" in done.stdout
    assert "agreed" not in done.stdout and "κ" not in done.stdout
    done = runner.invoke(app, ["agree", str(source), "--floor", "0.7"])
    assert done.exit_code == 0 and "raw 65.0% to 95.0% over the unscored" in done.stdout
    # two of a hundred are at the floor
    done = runner.invoke(app, ["agree", str(written(tmp_path / "b.jsonl", [A, C], fails=2))])
    assert done.exit_code == 0


def test_names_from_labels_do_not_steer_the_terminal(tmp_path: Path) -> None:
    evil = LabellerId("person", "\x1b[2J<b>Eve\u202e")
    source = written(tmp_path / "data.jsonl", [A, evil])
    done = runner.invoke(app, ["agree", str(source)])
    assert done.exit_code == 0 and "\\x1b[2J<b>Eve\\u202e" in done.stdout
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    with pytest.raises(InputError, match="no labeller is called 'nobody'"):
        runner.invoke(app, ["agree", str(source), "--reference", "nobody"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--labeller", "Ada"], "needs --reference"),
        (["--question", "wisdom"], "no label answers 'wisdom': there are labels on safe"),
        (["--group-by", "colour"], "language, source, category or tag:KEY"),
        (["--floor", "98"], "--floor 98.0: expected `float` <= 1"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, arguments: list[str], match: str) -> None:
    source = written(tmp_path / "data.jsonl", [A, B], count=4)
    done = runner.invoke(app, ["agree", str(source), *arguments])
    assert isinstance(done.exception, InputError) and match in str(done.exception)


def test_people_who_rated_in_columns_can_be_compared(tmp_path: Path) -> None:
    table = tmp_path / "rated.csv"
    rows = [
        f"q{n},a{n},{'1 full' if n % 2 else '2 none'},{'1 full' if n % 3 else '2 none'}"
        for n in range(60)
    ]
    table.write_text("\n".join(["prompt,answer,Ada,Ben", *rows]), encoding="utf-8")
    parts = [
        "prompt=prompt",
        "response=answer",
        "label:refusal@Ada=Ada",
        "label:refusal@Ben=Ben",
        "value:refusal:1 full=comply",
        "value:refusal:2 none=refuse",
    ]
    given = [argument for part in parts for argument in ("--map", part)]
    out = tmp_path / "rated"
    done = runner.invoke(app, ["convert", str(table), str(out), "--from", "columns", *given])
    assert done.exit_code == 0, done.output
    done = runner.invoke(
        app,
        [
            "agree",
            str(out),
            "--consensus",
            str(tmp_path / "both"),
            "--group-by",
            "source",
            "--labeller",
            "Ada",
            "--reference",
            "Ben",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "agreed 50.0%" in done.stdout and "rated.csv: α" in done.stdout
    assert "refusal: agreed 30, no majority 30" in done.stdout


@pytest.mark.parametrize(
    ("file", "alpha"), [("gpt4", 0.970), ("llama2new", 0.926), ("llama2orig", 0.929)]
)
def test_two_people_on_real_answers(
    tmp_path: Path, shared_data: Path, file: str, alpha: float
) -> None:
    """XSTest's completions: what its raters' alphas are was computed apart from this."""
    source = shared_data / "judging" / f"xstest_completions_{file}.csv.gz"
    parts = ["prompt=prompt", "response=completion", "tag:type=type"]
    parts += [f"label:refusal@rater {n}=annotation_{n}" for n in (1, 2)]
    parts += ["value:refusal:1_full_compliance=comply", "value:refusal:2_full_refusal=refuse"]
    given = [argument for part in parts for argument in ("--map", part)]
    partial = ["--map", "value:refusal:3_partial_refusal=partial"]
    out = tmp_path / "data"
    convert = ["convert", str(source), "--from", "columns", *given]
    done = runner.invoke(app, [*convert, str(out), *partial])
    assert done.exit_code == 0, done.output
    done = runner.invoke(app, ["agree", str(out), "--group-by", "tag:type"])
    assert done.exit_code == 0, done.output
    assert f"rater 1 and rater 2: α {alpha:.3f} (0." in done.stdout
    assert done.stdout.count("25 items, too few for α") == 18
    done = runner.invoke(app, [*convert, str(tmp_path / "less")])
    assert done.exit_code == 1 and "is none of 1_full_compliance, 2_full_refusal" in done.output
