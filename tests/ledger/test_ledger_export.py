"""The ledger's contents in files that other tools read."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from trueline.files.errors import InputError
from trueline.ledger.budget import Bound, Budget, Price
from trueline.ledger.export import export
from trueline.ledger.sqlite import open_ledger
from trueline.models.ledgered import record
from trueline.models.scripted import Scripted
from trueline.records.types import Message, Sampling

TEXT = "Ein Übergang,\nüber den Fluss \u2028 und weiter"


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Two runs: three answers of a model, and a failed call to another."""
    path = tmp_path / "l.sqlite"
    async with await open_ledger(path, run="one") as ledger:
        model = record(Scripted(lambda *_: TEXT, identity="scripted"), ledger)
        await model.generate([Message("user", "Hello.")], Sampling(), n=3)
    budget = Budget(prices={"*": Price(1e6, 1e6)})
    async with await open_ledger(path, run="two", budget=budget) as ledger:
        ledger.end(await ledger.begin("h#m", Bound(2, 3), paid=True), error="timeout")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return found
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    return [json.loads(line) for line in text.split("\n")[:-1]]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_every_answer_with_its_run_and_model(path: Path, tmp_path: Path, name: str) -> None:
    assert export(path, tmp_path / name) == 3
    found = rows(tmp_path / name)
    assert [(row["run"], row["model"]) for row in found] == [("one", "scripted")] * 3
    assert len({row["key"] for row in found}) == 3
    assert all(row["time"].endswith("+00:00") for row in found)
    answers = [row["answer"] for row in found]
    if name.endswith("parquet"):
        answers = [json.loads(answer) for answer in answers]
    assert [answer["message"]["content"] for answer in answers] == [TEXT] * 3


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_every_attempt_with_what_it_cost(path: Path, tmp_path: Path, name: str) -> None:
    assert export(path, tmp_path / name, "attempts") == 2
    first, second = rows(tmp_path / name)
    assert (first["outcome"], first["answers"], first["error"]) == ("answered", 3, None)
    named = {key: second[key] for key in ("run", "model", "error", "prompt", "completion", "money")}
    assert named == {
        "run": "two",
        "model": "h#m",
        "error": "timeout",
        "prompt": 2,
        "completion": 3,
        "money": 5.0,
    }


def test_equal_ledgers_give_equal_bytes(path: Path, tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        export(path, tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_nothing_is_overwritten_and_the_kind_is_told_by_the_suffix(
    path: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.jsonl").write_text("mine")
    with pytest.raises(InputError, match="nothing is overwritten"):
        export(path, tmp_path / "there.jsonl")
    with pytest.raises(InputError, match=r"must end in \.jsonl, \.jsonl\.gz, \.parquet"):
        export(path, tmp_path / "out.csv")
    with pytest.raises(InputError, match="there is no ledger here"):
        export(tmp_path / "none.sqlite", tmp_path / "out.jsonl")
    assert sorted(p.name for p in tmp_path.iterdir() if "out" in p.name) == []


def test_a_damaged_answer_is_told_and_leaves_no_half_file(path: Path, tmp_path: Path) -> None:
    with sqlite3.connect(path) as opened:
        opened.execute("UPDATE answers SET answer = ? WHERE rowid = 2", (b'{"message": ',))
    with pytest.raises(InputError, match=r"l\.sqlite: the answer [0-9a-f]{32} is damaged"):
        export(path, tmp_path / "a.jsonl")
    assert not (tmp_path / "a.jsonl").exists()


async def test_a_ledger_in_use_is_exported_as_it_stands(path: Path, tmp_path: Path) -> None:
    async with await open_ledger(path, run="three") as ledger:
        model = record(Scripted(lambda *_: "It is.", identity="scripted"), ledger)
        await model.generate([Message("user", "Is it?")], Sampling())
        assert export(path, tmp_path / "a.jsonl") == 4
        await model.generate([Message("user", "Is it still?")], Sampling())


async def test_memory_does_not_grow_with_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "big.sqlite"
    async with await open_ledger(path, run="r"):
        pass
    answer = json.dumps({"message": {"content": "x" * 4000}}).encode()
    with sqlite3.connect(path) as opened:
        opened.executemany(
            "INSERT INTO answers VALUES (?, 'r', 'm', 1.5, ?)",
            ((i.to_bytes(16, "big"), answer) for i in range(8_000)),
        )
    for name in ("a.jsonl", "a.parquet"):
        tracemalloc.start()
        assert export(path, tmp_path / name) == 8_000
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 16e6  # of 32 MB


def test_a_ledger_of_the_first_version_is_read_and_upgraded_when_written(
    path: Path, tmp_path: Path
) -> None:
    import asyncio

    with sqlite3.connect(path) as opened:
        opened.executescript("ALTER TABLE answers DROP COLUMN run; PRAGMA user_version = 1")
    before = path.read_bytes()
    assert export(path, tmp_path / "a.jsonl") == 3
    assert [row["run"] for row in rows(tmp_path / "a.jsonl")] == [""] * 3
    assert path.read_bytes() == before

    async def continued() -> int:
        async with await open_ledger(path, run="one") as ledger:
            model = record(Scripted(lambda *_: "new", identity="scripted"), ledger)
            await model.generate([Message("user", "Hello.")], Sampling(), n=4)
            return int(ledger.account.used["calls"])

    assert asyncio.run(continued()) == 2
    assert export(path, tmp_path / "b.jsonl") == 4
    assert [row["run"] for row in rows(tmp_path / "b.jsonl")] == ["", "", "", "one"]
