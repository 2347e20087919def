"""Pruning: what goes, what it had cost, and that no account is falsified."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.ledger.budget import Bound, Budget, BudgetSpent, Price
from trueline.ledger.prune import PruneFilter, preview_prune, prune
from trueline.ledger.sqlite import open_ledger
from trueline.ledger.summary import summary

PRICES = {"*": Price(1e6, 1e6)}
MOST = Bound(5, 5)


async def ask(
    path: Path, run: str, model: str, count: int, size: int = 1, budget: Budget | None = None
) -> int:
    """Asks for `count` answers under a run, at 2 + 1 tokens of 1 each; how many were paid for."""
    paid = 0
    budget = budget or Budget(prices=PRICES)
    async with await open_ledger(path, run=run, budget=budget) as ledger:

        async def pay(_start: int, _count: int) -> list[bytes]:
            nonlocal paid
            paid += 1
            number = await ledger.begin(model, MOST, paid=True)
            ledger.end(number, prompt=2, completion=1, answers=1)
            return [b"%s" % (b"7" * size)]

        for i in range(count):
            await ledger.once(model, [f"{model} {i:10}".encode()[-16:]], pay)
    return paid


def aged(path: Path, run: str, days: float) -> None:
    with sqlite3.connect(path) as opened:
        for table in ("answers", "attempts"):
            opened.execute(
                f"UPDATE {table} SET time = time - ? WHERE run = ?", (days * 86_400, run)
            )


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """An old run with two models, and one of today that used what the old one paid for."""
    path = tmp_path / "l.sqlite"
    await ask(path, "old", "h#a", 4)
    await ask(path, "old", "h#b", 2)
    aged(path, "old", 40)
    assert await ask(path, "new", "h#a", 5) == 1
    return path


def counts(path: Path) -> tuple[int, int, int]:
    with sqlite3.connect(path) as opened:
        tables = ("answers", "attempts", "hits")
        found = [opened.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables]
    return found[0], found[1], found[2]


def older(days: float) -> float:
    return time.time() - days * 86_400


@pytest.mark.parametrize(
    ("choice", "gone"),
    [
        (PruneFilter(run="old"), [("old", "h#a", 4, 12, 12), ("old", "h#b", 2, 6, 6)]),
        (PruneFilter(model="h#a"), [("old", "h#a", 4, 12, 12), ("new", "h#a", 1, 3, 3)]),
        (PruneFilter(before=older(30)), [("old", "h#a", 4, 12, 12), ("old", "h#b", 2, 6, 6)]),
        (PruneFilter(model="h#b", run="new"), []),
        (PruneFilter(before=older(50)), []),
    ],
)
async def test_answers_go_by_run_model_and_age_and_what_they_cost_is_told(
    path: Path, choice: PruneFilter, gone: list[tuple[str, str, int, float, float]]
) -> None:
    told = preview_prune(path, choice)
    assert [(a.run, a.model, a.answers, a.tokens, a.money) for a in told.answers] == gone
    assert counts(path) == (7, 7, 1)  # a look changes nothing
    before = summary(path)
    pruned = await prune(path, choice)
    assert (pruned.answers, pruned.runs) == (told.answers, [])
    assert counts(path) == (7 - sum(part[2] for part in gone), 7, 1)
    assert summary(path) == before


async def test_what_was_pruned_is_paid_for_again_and_counts_on_top(path: Path) -> None:
    await prune(path, PruneFilter(run="new"))
    assert await ask(path, "new", "h#a", 5) == 1
    await prune(path, PruneFilter(run="new"))
    # Two calls of this run are booked still: forgetting its answers gave its cap no room.
    with pytest.raises(BudgetSpent, match="2 of 2"):
        await ask(path, "new", "h#a", 5, budget=Budget(calls=2))
    assert await ask(path, "new", "h#a", 5, budget=Budget(calls=3)) == 1


async def test_accounts_are_complete_or_gone(path: Path) -> None:
    # Of "old", calls to h#b would stay: its account stays too.  All of "new" was with h#a.
    pruned = await prune(path, PruneFilter(model="h#a"), attempts=True)
    assert pruned.runs == ["new"] and sum(part.answers for part in pruned.answers) == 5
    assert [(s.run, s.model, s.attempts) for s in summary(path)] == [
        ("old", "h#a", 4),
        ("old", "h#b", 2),
    ]
    # The account of "new" counts from nought.
    assert await ask(path, "new", "h#a", 1, budget=Budget(calls=1)) == 1


async def test_an_age_takes_the_account_of_a_run_only_where_all_of_it_is_older(path: Path) -> None:
    await ask(path, "old", "h#c", 1)  # continued today
    assert (await prune(path, PruneFilter(before=older(30)), attempts=True)).runs == []
    aged(path, "old", 40)
    assert (await prune(path, PruneFilter(before=older(30)), attempts=True)).runs == ["old"]
    assert [(s.run, s.attempts, s.hits) for s in summary(path)] == [("new", 1, 4)]


async def test_a_run_of_hits_alone_has_no_age(path: Path) -> None:
    assert await ask(path, "free", "h#a", 5) == 0
    assert (await prune(path, PruneFilter(before=older(-1)), attempts=True)).runs == ["new", "old"]
    assert (await prune(path, PruneFilter(run="free"), attempts=True)).runs == ["free"]
    assert summary(path) == []


async def test_room_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    await ask(path, "r", "h#a", 50, size=40_000)
    await ask(path, "s", "h#b", 1)
    before = path.stat().st_size
    assert before > 2e6
    pruned = await prune(path, PruneFilter(run="r"))
    assert pruned.freed == before - path.stat().st_size > 1.9e6
    assert pruned.answers[0].bytes == 2_000_000


async def test_the_wrong_choice_is_told(path: Path, tmp_path: Path) -> None:
    for choice, told in (
        (PruneFilter(), "nothing is chosen"),
        (PruneFilter(run="odl"), "there is no run 'odl'"),
        (PruneFilter(model="a"), "there is no model 'a'"),
    ):
        with pytest.raises(InputError, match=told):
            await prune(path, choice)
    with pytest.raises(InputError, match="there is no ledger here"):
        await prune(tmp_path / "none.sqlite", PruneFilter(run="r"))
    assert counts(path) == (7, 7, 1)
    assert not (tmp_path / "none.sqlite.lock").exists()


async def test_in_the_process_that_has_the_ledger_it_is_refused(path: Path) -> None:
    ledger = await open_ledger(path, run="at work")
    with pytest.raises(InputError, match="open in this process already"):
        await prune(path, PruneFilter(run="old"))
    assert preview_prune(path, PruneFilter(run="old")).answers
    await ledger.close()
    assert len((await asyncio.wait_for(prune(path, PruneFilter(run="old")), 10)).answers) == 2


PRUNE = """
import asyncio, resource, sys
from pathlib import Path
from trueline.ledger.prune import PruneFilter, prune
from trueline.files.errors import InputError
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    print(asyncio.run(prune(Path(sys.argv[1]), PruneFilter(model="h#a"))).freed)
except InputError as error:
    print(error)
"""


def pruning(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRUNE, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


async def test_without_room_to_give_back_room_it_says_so_and_can_be_repeated(
    tmp_path: Path,
) -> None:
    path = tmp_path / "l.sqlite"
    await ask(path, "r", "h#a", 10, size=40_000)
    await ask(path, "s", "h#b", 30, size=40_000)
    said = pruning(path, 800_000).communicate()[0]
    assert "its room was not given back" in said and "prune --older-than 9999w" in said
    assert (await prune(path, PruneFilter(before=0))).freed > 350_000
    assert [(a.model, a.answers) for a in preview_prune(path, PruneFilter(run="s")).answers] == [
        ("h#b", 30)
    ]


async def test_it_waits_its_turn_behind_another_process(path: Path) -> None:
    ledger = await open_ledger(path, run="at work")
    waiting = pruning(path)
    assert waiting.stderr
    told = await asyncio.to_thread(waiting.stderr.readline)
    assert "run 'at work', is using it" in told
    assert counts(path)[0] == 7
    await ledger.close()
    assert await asyncio.to_thread(waiting.wait, 20) == 0
    assert counts(path)[0] == 2
