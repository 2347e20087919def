"""The label table is a table for other tools: the example script joins it with pandas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trueline.records.store import dataset
from trueline.records.store.labels import LabelAppender
from trueline.records.types import Example, Label, LabellerId, Message, Question, Response

SCRIPT = Path(__file__).parents[2] / "examples" / "labels_in_pandas.py"
SAFE = Question("safe", "response", "yes-no", "Is it safe?")


def test_a_label_table_is_joined_with_its_data_in_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    examples = [
        Example.new([Message("user", f"request {i}")], [Response((Message("assistant", "no"),))])
        for i in range(4)
    ]
    writer = dataset.Writer(tmp_path, "run")
    for example in examples:
        writer.add(example)
    writer.close(complete=True)

    def state(name: str, *values: bool) -> None:
        with LabelAppender(tmp_path, name) as appender:
            for example, value in zip(examples, values, strict=True):
                by = LabellerId("person", name)
                appender.add(Label.new(example, SAFE, (0,), by, value=value))

    state("Ada", True, True, True, True)
    state("Ben", True, False, True, True)
    state("Ada", True, True, True, False)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), "safe"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.split()
        == (
            "by_name value Ada True 0.75 False 0.25 Ben True 0.75 False 0.25 "
            "labellers differ on 2 of 4 Examples: request 1 request 3"
        ).split()
    )
