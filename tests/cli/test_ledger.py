"""`trueline ledger` as a person and as a program read it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from trueline.cli.app import app
from trueline.files.errors import InputError
from trueline.ledger.sqlite import open_ledger
from trueline.models.ledgered import record
from trueline.models.scripted import Scripted
from trueline.records.types import Message, Sampling


async def test_what_was_spent_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with await open_ledger(path, run="a build") as ledger:
        model = record(Scripted(lambda *_: "one two three", identity="scripted"), ledger)
        for _ in range(2):
            await model.generate([Message("user", "Hello there.")], Sampling(), n=2)
    told = CliRunner().invoke(app, ["ledger", "show", "--ledger", str(path)]).output
    assert told.splitlines()[:2] == ["a build", "  scripted"]
    assert "1 calls answered (2 answers) · 2 answers from the ledger" in told
    assert "2 + 6 tokens" in told and "failed" not in told and "money" not in told
    [spend] = json.loads(
        CliRunner().invoke(app, ["ledger", "show", "--ledger", str(path), "--json"]).output
    )
    assert (spend["calls"], spend["hits"], spend["completion_tokens"]) == (1, 2, 6)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    async with await open_ledger(path, run="a build") as ledger:
        model = record(Scripted(lambda *_: "one two three", identity="scripted"), ledger)
        await model.generate([Message("user", "Hello there.")], Sampling(), n=2)
    return path


def ledger(*arguments: Any) -> str:
    """What the command says; its InputError is raised."""
    result = CliRunner().invoke(app, ["ledger", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


async def test_names_in_the_ledger_do_not_move_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with await open_ledger(path, run="label \x1b[31mout\u202e") as opened:
        model = record(Scripted(lambda *_: "one", identity="a\x07b"), opened)
        await model.generate([Message("user", "Hello there.")], Sampling())
    for asked in (("show",), ("prune", "--dry-run", "--older-than", "0h")):
        said = ledger(*asked, "--ledger", path)
        assert "label \\x1b[31mout\\u202e" in said and "a\\x07b" in said
        assert said.replace("\n", "").isprintable()


def test_export_writes_answers_or_attempts(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    assert ledger("export", out, "--ledger", path) == f"2 answers in {out}\n"
    assert len(out.read_text().splitlines()) == 2
    out = tmp_path / "attempts.parquet"
    assert ledger("export", out, "--what", "attempts", "--ledger", path) == f"1 attempts in {out}\n"


def test_prune_says_first_what_would_go(path: Path) -> None:
    said = ledger("prune", "--model", "scripted", "--dry-run", "--attempts", "--ledger", path)
    assert "2 answers would be removed, had cost about 8 tokens" in said
    assert "its caps count from zero: a build" in said
    assert "2 answers from" not in said and "1 calls answered" in ledger("show", "--ledger", path)
    said = ledger("prune", "--model", "scripted", "--ledger", path)
    assert "2 answers removed" in said and "will cost again" in said
    found = json.loads(ledger("prune", "--run", "a build", "--json", "--ledger", path))
    assert found["answers"] == [] and found["runs"] == []
    assert "1 calls answered" in ledger("show", "--ledger", path)


def test_prune_by_age(path: Path) -> None:
    assert ledger("prune", "--older-than", "30d", "--ledger", path).startswith("0 answers")
    with sqlite3.connect(path) as opened:
        opened.execute("UPDATE answers SET time = time - 31 * 86400 WHERE rowid = 1")
    assert "1 answers removed" in ledger("prune", "--older-than", "30d", "--ledger", path)
    for wrong in ("30", "d", "-3d", "3 days", "1e3d"):
        with pytest.raises(InputError, match="write hours, days or weeks"):
            ledger("prune", f"--older-than={wrong}", "--ledger", path)


def test_options_before_a_verb_are_wrong_use(path: Path) -> None:
    done = CliRunner().invoke(app, ["ledger", "--ledger", str(path), "prune", "--run", "a build"])
    assert done.exit_code == 2 and "No such option: --ledger" in done.output
