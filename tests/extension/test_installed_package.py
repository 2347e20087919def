"""A package of somebody else's brings one plug-in of each family, by being installed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.train.tiny import PAIRS, tiny_model

from trueline.records.store import dataset, jsonl

PACKAGE = Path(__file__).parent / "teahouse"
ENTRY_POINTS = """
[trueline.recipes]
tea-texts = teahouse.tea_texts
[trueline.formats]
tea-rows = teahouse.tea_rows
[trueline.labellers]
length = teahouse.length
[trueline.checks]
begins = teahouse.begins
[trueline.methods]
parrot = teahouse.parrot
[trueline.benchmarks]
teahouse = teahouse.benchmarks
"""


def make_wheel(folder: Path) -> Path:
    """The package as a wheel, as any build tool would make it."""
    info = "teahouse-1.0.dist-info"
    files = {f"teahouse/{path.relative_to(PACKAGE)}": path.read_bytes() for path in sources()}
    files[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: teahouse\nVersion: 1.0\n"
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = ENTRY_POINTS.encode()
    record = [f"{name},sha256={hash_of(body)},{len(body)}" for name, body in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = folder / "teahouse-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, body in files.items():
            wheel.writestr(name, body)
    return path


def sources() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*")) if path.suffix in (".py", ".toml")]


def hash_of(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the package."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = make_wheel(tmp_path_factory.mktemp("wheel"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, capture_output=True)
    return folder


class House:
    """The command line in a process that can see the installed package."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self.folder = folder
        path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
        self.environment = os.environ | {"PYTHONPATH": path.rstrip(os.pathsep)}

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "trueline", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def house(installed: Path, tmp_path: Path) -> House:
    rows = [
        {"guest": f"How long does tea {n} steep?", "house": f"Tea {n} steeps {n} minutes."}
        for n in range(2, 6)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return House(installed, tmp_path)


def test_a_recipe_builds(house: House) -> None:
    (house.folder / "texts.txt").write_text("Green tea is steeped briefly.\nCoffee is ground.\n")
    said = house.run("build", "tea-texts", "--texts", "texts.txt", "--out", "texts")
    assert "1 Examples, 1 rejects in texts" in said and "off the subject 1" in said
    [example] = dataset.read(house.folder / "texts")
    assert example.recipe == "tea_texts@1"
    assert "Examples of raw texts about tea" in house.run("build", "--help")


def test_a_format_converts_both_ways(house: House) -> None:
    house.run("convert", "rows.jsonl", "data", "--from", "tea-rows")
    house.run("convert", "data", "again.jsonl", "--to", "tea-rows")
    rows, again = (
        [json.loads(line) for line in (house.folder / name).read_text().splitlines()]
        for name in ("rows.jsonl", "again.jsonl")
    )
    assert again == rows
    assert "a guest's question and the house's answer" in house.run("convert", "--list")


def test_a_labeller_labels(house: House) -> None:
    house.run("convert", "rows.jsonl", "data", "--from", "tea-rows")
    words = ("--labeller", "length:4", "--question", "correct", "--out", "labels")
    done = house.run("label", "data", *words)
    assert "correct: 4 of 4 answered" in done and "yes 100.0%" in done
    assert "whether a response has at least so many words" in house.run("label", "--help")


def test_a_benchmark_is_asked_and_its_check_decides(house: House) -> None:
    items = [{"question": f"How many minutes? {n}", "answers": [str(n)]} for n in range(2, 6)]
    (house.folder / "tea.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (house.folder / "model.json").write_text(
        json.dumps(
            [{"regex": "[23]$", "answers": ["2 minutes", "2"]}, {"regex": ".", "answers": ["5"]}]
        )
    )
    words = ("--benchmark", "tea-facts", "--data", ".", "--out", "results", "--quiet")
    said = house.run("evaluate", "scripted:model.json", *words)
    assert "tea-facts (factuality), 4 items" in said
    assert "0.500" in said and "correct by begins" in said


def test_a_method_trains(house: House) -> None:
    tiny_model(house.folder / "tiny")
    jsonl.write(house.folder / "pairs.jsonl", PAIRS)
    words = ("--model", "tiny", "--max-steps", "1", "--out", "model")
    assert "1 steps on" in house.run("train", "parrot", "pairs.jsonl", *words)
    assert json.loads((house.folder / "model" / "card.json").read_text())["method"] == "parrot"
