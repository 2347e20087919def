"""A format of one's own: in a file that is named, or in an installed package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.formats import contract
from trueline.formats.load import load
from trueline.formats.registry import find_format, format_names
from trueline.policy.load import load as load_policy
from trueline.recipes.conversion import Options
from trueline.recipes.convert import convert
from trueline.records.types import Example

DOCSTRING = contract.__doc__ or ""
PASTED = "\n".join(
    line.removeprefix("    ") for line in DOCSTRING.splitlines() if re.match(r"    |$", line)
)
"""The format that the contract's docstring shows."""


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_files", {})


@pytest.fixture(params=["file", "entry point"])
def named(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The format `tiny-pairs` of a user."""
    path = tmp_path / "plugin" / "tiny_pairs.py"
    path.parent.mkdir()
    path.write_text(PASTED)
    if request.param == "file":
        plugins.add_file(path)
    else:
        info = path.parent / "tiny-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Name: tiny\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[trueline.formats]\ntiny-pairs = tiny_pairs\n")
        monkeypatch.syspath_prepend(str(path.parent))
    yield


@pytest.mark.usefixtures("named")
def test_the_sibling_of_the_contract_converts_both_ways(tmp_path: Path) -> None:
    assert "tiny-pairs" in format_names()
    rows = [{"question": f"how {n}?", "answer": f"so {n}"} for n in range(3)]
    source, out, back = (tmp_path / name for name in ("in.jsonl", "out", "back.jsonl"))
    source.write_text("\n".join(map(json.dumps, [*rows, {"question": "why?", "answer": " "}])))
    there = convert(Options(source=source, out=out, from_="tiny-pairs", quiet=True), load_policy())
    assert (there.examples, there.rejected) == (3, 1)
    again = convert(Options(source=out, out=back, to="tiny-pairs", quiet=True), load_policy())
    assert (again.examples, again.losses) == (3, {"source": 3})
    assert [json.loads(line) for line in back.read_text().splitlines()] == rows


@pytest.mark.usefixtures("named")
def test_a_file_that_only_it_can_read_is_named_after_it(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"question": "how?", "answer": "so"}))
    with pytest.raises(InputError, match="--from tiny-pairs reads it"):
        load(path)
    (example,) = load(path, "tiny-pairs")
    assert isinstance(example, Example)


def test_a_name_that_nobody_has_gets_near_ones() -> None:
    with pytest.raises(InputError, match="unknown format 'tiny-pairs': there are columns, hh-rlhf"):
        find_format("tiny-pairs")
    with pytest.raises(InputError, match="did you mean sharegpt"):
        find_format("share-gpt")


def test_a_file_that_is_named_before_the_verb_brings_its_format(tmp_path: Path) -> None:
    plugin, source, out = (tmp_path / name for name in ("tiny.py", "in.jsonl", "out.jsonl"))
    plugin.write_text(PASTED)
    source.write_text(json.dumps({"question": "how?", "answer": "so"}) + "\n")
    verb = ["convert", str(source), str(out), "--from", "tiny", "--to", "tiny"]
    command = [sys.executable, "-m", "trueline", "--plugin", str(plugin), *verb]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text()) == {"question": "how?", "answer": "so"}
    without = subprocess.run(
        [sys.executable, "-m", "trueline", *verb], capture_output=True, text=True, check=False
    )
    assert without.returncode == 2 and "unknown format 'tiny'" in without.stderr
