"""Any Example comes back exactly, from every store; ids are the same everywhere."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.records.strategies import examples, texts

from trueline.records import folder, ids, jsonl, parquet
from trueline.records.types import Example, Message, Response

exact = msgspec.json.Encoder(order="sorted").encode
several = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def same(found: list, given: list[Example]) -> None:
    assert found == given
    # True == 1 == 1.0 in Python, and no label may change its kind of value
    assert exact(found) == exact(given)


@several
@given(st.lists(examples(), max_size=3))
def test_parquet(tmp_path: Path, some: list[Example]) -> None:
    parquet.write(tmp_path / "x.parquet", some)
    same(list(parquet.read(tmp_path / "x.parquet")), some)


@several
@given(st.lists(examples(), min_size=1, max_size=3), st.sampled_from(["x.jsonl", "x.jsonl.gz"]))
def test_jsonl(tmp_path: Path, some: list[Example], name: str) -> None:
    jsonl.write(tmp_path / name, some)
    same(list(jsonl.read(tmp_path / name)), some)


@several
@given(st.lists(examples(), max_size=5))
def test_folder(tmp_path: Path, some: list[Example]) -> None:
    writer = folder.Writer(tmp_path / "set", shard_rows=2)
    for example in some:
        assert writer.add(example) is None
    writer.close(complete=True)
    same(list(folder.read(tmp_path / "set")), some)
    folder.verify(tmp_path / "set")


def test_row_groups_are_read_in_order(tmp_path: Path) -> None:
    many = [ids.example([Message("user", f"number {i}")]) for i in range(2_500)]
    assert parquet.write(tmp_path / "x.parquet", many) == 2_500
    same(list(parquet.read(tmp_path / "x.parquet")), many)


@several
@given(texts)
def test_ids_do_not_depend_on_the_form_of_a_text(text: str) -> None:
    def made(form: str) -> str:
        return ids.example([Message("user", form)], [Response((Message("assistant", form),))]).id

    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    assert made(text) == made(plain) == made(unicodedata.normalize("NFD", plain))
    assert made(plain) == made(plain.replace("\n", "\r\n"))


@pytest.mark.parametrize("seed", ["0", "1"])
def test_ids_are_the_same_in_another_process(seed: str) -> None:
    program = (
        "from trueline.records import ids\n"
        "from trueline.records.types import Message, Reference\n"
        "print(ids.example([Message('user', 'caf\\u00e9')], task=Reference(('a', 'b'))).id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    # written down, so that no change of the code moves the ids of data that exists
    assert done.stdout.strip() == "0a2e4c7c4ac4aff08c70a119b2617d3c"
