"""Any Example comes back exactly, from every store; ids are the same everywhere."""

from __future__ import annotations

import math
import subprocess
import sys
import unicodedata
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.builders import check_shards
from tests.records.strategies import examples, texts

from trueline.files.hashing import digest
from trueline.records.store import dataset, jsonl, parquet
from trueline.records.types import (
    Candidate,
    Example,
    Label,
    LabellerId,
    Message,
    Question,
    Response,
    Sampling,
    Source,
    ToolCall,
    digest_texts,
    with_labels,
)

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
@given(st.lists(examples(), max_size=5, unique_by=lambda example: example.id))
def test_folder(tmp_path: Path, some: list[Example]) -> None:
    writer = dataset.Writer(tmp_path / "set", shard_rows=2)
    for example in some:
        assert writer.add(example) is None
    writer.close(complete=True)
    same(list(dataset.read(tmp_path / "set", all_labels=True)), some)
    check_shards(tmp_path / "set")


def test_row_groups_are_read_in_order(tmp_path: Path) -> None:
    many = [Example.new([Message("user", f"number {i}")]) for i in range(2_500)]
    assert parquet.write(tmp_path / "x.parquet", many) == 2_500
    same(list(parquet.read(tmp_path / "x.parquet")), many)


@several
@given(texts)
def test_ids_do_not_depend_on_the_form_of_a_text(text: str) -> None:
    def made(form: str) -> str:
        return Example.new([Message("user", form)], [Response((Message("assistant", form),))]).id

    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    assert made(text) == made(plain) == made(unicodedata.normalize("NFD", plain))
    assert made(plain) == made(plain.replace("\n", "\r\n")) == made(plain.replace("\n", "\r"))


@several
@given(examples(), st.floats() | st.integers(-(2**70), 2**70), st.text(st.characters(), max_size=5))
def test_what_no_store_can_hold_is_turned_away_and_the_rest_comes_back(
    tmp_path: Path, example: Example, number: float, text: str
) -> None:
    """All floats, -0.0, NaN and infinities among them, integers beyond 64 bits, all of Unicode and
    its surrogates."""
    question = Question("q", "prompt", "number", "How much?")
    label = Label.new(example, question, (), LabellerId("person", "p"), value=number, note="")
    wild = with_labels(example, msgspec.structs.replace(label, note=text))
    fits = math.isfinite(number) if isinstance(number, float) else -(2**63) <= number < 2**63
    surrogate = any("\ud800" <= c <= "\udfff" for c in text)
    writer = dataset.Writer(tmp_path / "set")
    assert (writer.add(wild) is None) == (fits and not surrogate)
    writer.close(complete=True)
    kept = list(dataset.read(tmp_path / "set", all_labels=True))
    same(kept, [wild] if fits and not surrogate else [])
    assert len(kept) + len(list(dataset.rejects(tmp_path / "set"))) == 1
    if kept:
        jsonl.write(tmp_path / "x.jsonl", kept)
        same(list(jsonl.read(tmp_path / "x.jsonl")), kept)


@pytest.mark.parametrize("seed", ["0", "1"])
@pytest.mark.parametrize("place", ["C", "C.UTF-8", "tr_TR.ISO-8859-9"])
def test_ids_are_the_same_in_another_process(seed: str, place: str) -> None:
    program = (
        "from trueline.records.types import Example\n"
        "from trueline.records.types import Message, Reference\n"
        "print(Example.new([Message('user', 'caf\\u00e9')], task=Reference(('a', 'b'))).id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            "PYTHONHASHSEED": seed,
            "LC_ALL": place,
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    # written down, so that no change of the code moves the ids of data that exists
    assert done.stdout.strip() == "0a2e4c7c4ac4aff08c70a119b2617d3c"


def test_equal_records_are_equal_in_every_byte(tmp_path: Path) -> None:
    """However a default came to be: left out, written out, as an integer, or read from a file."""
    question = Question("q", "prompt", "yes-no", "Well?")
    drawn = Sampling()
    call = ToolCall("1", "look")
    one, empty = float("1.00"), "".join(["{", "}"])  # equal to the defaults, and other objects
    for same_one in (one, 1):
        assert exact(msgspec.structs.replace(drawn, top_p=same_one)) == exact(drawn) == b"{}"
        assert digest(msgspec.structs.replace(question, weight=same_one)) == digest(question)
    assert exact(Sampling(temperature=0)) == exact(Sampling(temperature=0.0))
    assert exact(ToolCall("1", "look", empty)) == exact(call)
    asked = Example.new([Message("assistant", "", tool_calls=(call,))], questions=[question])
    parquet.write(tmp_path / "x.parquet", [asked])
    (found,) = parquet.read(tmp_path / "x.parquet")
    assert Example.new(found.prompt).id == Example.new(asked.prompt).id
    assert digest_texts(found, ()) == digest_texts(asked, ())


@pytest.mark.parametrize(
    ("place", "struct"),
    [
        ("", Example),
        ("prompt", Message),
        ("prompt.tool_calls", ToolCall),
        ("responses", Response),
        ("responses.messages", Message),
        ("responses.sampling", Sampling),
        ("labels.by", LabellerId),
        ("candidates", Candidate),
        ("source", Source),
    ],
)
def test_every_field_has_a_column(place: str, struct: type[msgspec.Struct]) -> None:
    """A field that the schema lacks would be lost without a word."""
    found = pa.struct(list(parquet.EXAMPLES.schema))
    for part in filter(None, place.split(".")):
        found = found.field(part).type
        found = found.value_type if pa.types.is_list(found) else found
    assert {field.name for field in found} == set(struct.__struct_fields__)
