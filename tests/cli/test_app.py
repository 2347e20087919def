"""How a command ends: a message that a terminal can show, and a code."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trueline.cli.app import run
from trueline.models.contract import Fatal
from trueline.records.store.manifest import read_manifest

FULL = Path("/dev/full")  # a disk without room


def ends(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["trueline", *arguments])
    with pytest.raises(SystemExit) as ended:
        run()
    return int(ended.value.code or 0)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.chdir(tmp_path)
    Path("texts.csv").write_text("bo\x1b[31mdy,other\nThe cat sat on the mat.,x\n")
    Path("script.json").write_text(json.dumps([{"answers": ["Write a story about a cat."]}]))
    models = ("--reverse", "scripted:script.json", "--expert", "scripted:script.json")
    return ("build", "safer-instruct", "--quiet", "--texts", "texts.csv", "--out", "out", *models)


def test_names_from_foreign_files_do_not_move_the_terminal(
    build: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(monkeypatch, *build) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\\x1b[31mdy" in said


def test_a_ledger_that_cannot_be_made_is_wrong_use(
    build: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--text-field", "other", "--ledger", "script.json/ledger.sqlite")
    assert ends(monkeypatch, *build, *more) == 2
    assert "script.json/ledger.sqlite" in capsys.readouterr().err


def test_a_dry_run_is_done(
    build: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(monkeypatch, *build, "--text-field", "other", "--dry-run") == 0
    assert "at most, for 1 rows" in capsys.readouterr().out and not Path("out").exists()


def test_what_every_call_would_meet_ends_with_its_message_alone(
    build: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise Fatal("HTTP 401: the server does not know this key")

    monkeypatch.setattr("trueline.models.scripted.Scripted.generate", refused)
    assert ends(monkeypatch, *build, "--text-field", "other") == 2
    assert capsys.readouterr().err == "trueline: HTTP 401: the server does not know this key\n"
    assert json.loads(Path("out/run.json").read_text())["status"] == "failed"
    assert read_manifest(Path("out")).state == "partial"


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [["--version"], ["policy", "show"]])
def test_results_that_cannot_be_written_are_told(arguments: list[str]) -> None:
    """A few bytes fail when Python ends, many at once."""
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "trueline", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "trueline: [Errno 28] No space left on device\n"


def test_who_reads_may_leave() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "trueline", "--version"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_a_place_that_may_not_be_looked_at_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", forbidden)
    assert ends(monkeypatch, "ledger", "show", "--ledger", "locked/ledger.sqlite") == 2
    told = "trueline: [Errno 13] Permission denied: 'locked/ledger.sqlite'\n"
    assert capsys.readouterr().err == told


def test_an_input_that_breaks_off_is_no_done_build(
    build: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = gzip.compress(
        b"".join(b"%d,the %d cats sat on the mat\n" % (i, i) for i in range(9999))
    )
    Path("cut.csv.gz").write_bytes(gzip.compress(b"n,other\n") + whole[: len(whole) // 2])
    asked = [part.replace("texts.csv", "cut.csv.gz") for part in build]
    assert ends(monkeypatch, *asked, "--text-field", "other", "--limit", "20") == 0
    asked[asked.index("out")] = "all"
    assert ends(monkeypatch, *asked, "--text-field", "other", "--near", "1.0") == 1
    said = capsys.readouterr()
    assert "trueline: 1 rows could not be read" in said.err
    assert "the gzip file breaks off here" in said.out
