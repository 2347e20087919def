"""`trueline ledger` as a person and as a program read it."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from trueline.cli.app import app
from trueline.ledger.ledger import open_ledger
from trueline.models.ledgered import record
from trueline.models.scripted import Scripted
from trueline.records.types import Message, Sampling


async def test_what_was_spent_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    async with await open_ledger(path, run="a build") as ledger:
        model = record(Scripted(lambda *_: "one two three", identity="scripted"), ledger)
        for _ in range(2):
            await model.generate([Message("user", "Hello there.")], Sampling(), n=2)
    told = CliRunner().invoke(app, ["ledger", "--ledger", str(path)]).output
    assert told.splitlines()[:2] == ["a build", "  scripted"]
    assert "1 calls answered (2 answers) · 2 answers from the ledger" in told
    assert "2 + 6 tokens" in told and "failed" not in told and "money" not in told
    [spend] = json.loads(
        CliRunner().invoke(app, ["ledger", "--ledger", str(path), "--json"]).output
    )
    assert (spend["calls"], spend["hits"], spend["completion_tokens"]) == (1, 2, 6)
