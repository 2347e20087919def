"""What an instrument says changes with its version alone, and so does its hash."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.golden.instruments import INSTRUMENTS
from tests.golden.record import COMMAND, FOLDER, find_changes, read_golden, run_cases

import trueline
from trueline import labellers
from trueline.files import plugins
from trueline.labellers import checks, guard
from trueline.labellers.contract import Instrument

LINUX = sys.platform == "linux"


@pytest.mark.parametrize("name", INSTRUMENTS)
async def test_an_output_changes_only_with_the_version(name: str) -> None:
    if name == "grader" and not LINUX:
        pytest.skip("only Linux confines")
    golden, instrument = read_golden(name), INSTRUMENTS[name]
    changes = find_changes(golden, await run_cases(instrument, golden))
    if golden["version"] != instrument.version:
        pytest.fail(f"{name}: its version is new: re-record with `{COMMAND}`")
    if changes:
        shown = "\n  ".join(changes)
        pytest.fail(
            f"{name}: output changed: raise VERSION and re-record with `{COMMAND}`\n  {shown}"
        )


def test_every_instrument_has_golden_outputs() -> None:
    wanted = {f"check.{name}" for name in plugins.names(checks.CHECKS)}
    wanted |= {f"guard.{form}" for form in guard.FORMS}
    for found in pkgutil.walk_packages(labellers.__path__, f"{labellers.__name__}."):
        module = importlib.import_module(found.name)
        made = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        if any(issubclass(each, Instrument) and each is not Instrument for each in made):
            assert isinstance(module.VERSION, int), f"{module.__name__} has no VERSION"
            if module not in (checks, guard):  # one of them is many instruments
                wanted.add(found.name.rpartition(".")[2])
    assert set(INSTRUMENTS) == wanted
    assert {path.stem for path in FOLDER.glob("*.json")} == wanted


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_golden_outputs_are_many_and_all_recorded(name: str) -> None:
    cases = read_golden(name)["cases"]
    assert len(cases) >= 10
    assert all("output" in case for case in cases), f"record them with `{COMMAND}`"
    inputs = [json.dumps(case["input"], sort_keys=True) for case in cases]
    assert len(set(inputs)) == len(inputs), "a case stands there twice"


# ---- the hash --------------------------------------------------------------------------------

HASHES = """
import json
from trueline.files.plugins import names
from trueline.labellers.checks import CHECKS, Check
from trueline.labellers.classifier import Answering, Classifier, Mapping
from trueline.labellers.grader import Grader
from trueline.labellers.guard import FORMS, Guard
from trueline.labellers.judge.judge import Judge
from trueline.labellers.refusal.refusal import Refusal
from trueline.sandbox.pool import Sandbox
from trueline.models.scripted import Scripted
from trueline.policy.load import load

class Head:
    name, identity, kind, labels = "h", "i", "softmax", ("calm", "rude")

model, policy = Scripted(lambda *_: ""), load()
made = {f"check.{name}": Check(name) for name in names(CHECKS)}
made |= {f"guard.{form}": Guard(model, "g", form, policy) for form in FORMS}
made["judge"], made["refusal"] = Judge(model, "j"), Refusal()
how = Answering(labels={"calm": True, "rude": False})
made["classifier"] = Classifier(Head(), Mapping(answers={"safe": how}), policy)
made["grader"] = Grader(Sandbox(), policy["hierarchy_held"])
print(json.dumps({name: each.by.instrument for name, each in made.items()}))
"""


def hashes_of(source: Path) -> dict[str, str]:
    """The hash of every instrument, as the package in this folder gives it."""
    run = subprocess.run(
        [sys.executable, "-c", HASHES],
        env=os.environ | {"PYTHONPATH": str(source)},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, str] = json.loads(run.stdout)
    return found


def rooms(source: Path) -> list[Path]:
    """The modules that instruments are made of."""
    return [
        path
        for room in ("labellers", "sandbox")
        for path in (source / "trueline" / room).rglob("*.py")
    ]


def test_a_comment_or_a_docstring_changes_no_hash_and_a_version_changes_each(
    tmp_path: Path,
) -> None:
    original = Path(trueline.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(original, tmp_path / "trueline", ignore=ignored)
    before = hashes_of(original.parent)
    assert set(before) == set(INSTRUMENTS), "HASHES above makes one of each instrument"
    assert len(set(before.values())) == len(before)
    for path in rooms(tmp_path):
        text = path.read_text(encoding="utf-8").replace('"""', '"""In other words: ', 1)
        path.write_text(text + "\n# A reason.\n", encoding="utf-8")
    assert hashes_of(tmp_path) == before
    for path in rooms(tmp_path):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"(?m)^VERSION = 1$", "VERSION = 2", text), encoding="utf-8")
    after = hashes_of(tmp_path)
    assert [name for name in before if after[name] == before[name]] == []
