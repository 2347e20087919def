"""One budget: caps hold over attempts, in flight, after a crash, and over continued runs."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.ledger.budget import Bound, Budget, BudgetSpent, Price, bound
from trueline.ledger.sqlite import Ledger, open_ledger
from trueline.records.types import Message, Sampling

MOST = Bound(prompt=10, completion=20)


async def pay(ledger: Ledger, n: int = 1, prompt: int = 4, completion: int = 6) -> None:
    for _ in range(n):
        number = await ledger.begin("h/v1#m", MOST, paid=True)
        ledger.end(number, prompt=prompt, completion=completion, answers=1)


async def test_a_cap_on_calls_counts_failures_and_holds_for_the_continued_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "l.sqlite"
    async with await open_ledger(path, run="r", budget=Budget(calls=3)) as ledger:
        await pay(ledger)
        number = await ledger.begin("h/v1#m", MOST, paid=True)
        ledger.end(number, error="429", prompt=0, completion=0)
    async with await open_ledger(path, run="r", budget=Budget(calls=3)) as ledger:
        await pay(ledger)
        with pytest.raises(BudgetSpent, match=r"calls.*3 of 3.*same command with a higher cap"):
            await pay(ledger)
    async with await open_ledger(path, run="r", budget=Budget(calls=4)) as ledger:
        await pay(ledger)
    async with await open_ledger(path, run="another", budget=Budget(calls=1)) as ledger:
        await pay(ledger)


async def test_under_a_cap_an_attempt_is_in_the_file_before_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    async with await open_ledger(path, run="r", budget=Budget(tokens=1000)) as ledger:
        await ledger.begin("h/v1#m", MOST, paid=True)
        rows = sqlite3.connect(path).execute("SELECT outcome, prompt, completion FROM attempts")
        assert rows.fetchall() == [("sent", 10, 20)]
    # It never ended: the next process counts it at its bound.
    async with await open_ledger(path, run="r", budget=Budget(tokens=59)) as ledger:
        with pytest.raises(BudgetSpent, match=r"tokens.*30 of 59"):
            await pay(ledger)


async def test_what_cost_less_than_its_bound_leaves_room(tmp_path: Path) -> None:
    budget = Budget(tokens=100)
    async with await open_ledger(tmp_path / "l.sqlite", run="r", budget=budget) as ledger:
        await pay(ledger, 8)  # 10 tokens each, 30 at most
        with pytest.raises(BudgetSpent):
            await pay(ledger)
        assert ledger.account.used["tokens"] == 80


async def test_a_call_waits_for_those_in_flight_rather_than_stop_the_run(tmp_path: Path) -> None:
    budget = Budget(tokens=60)
    async with await open_ledger(tmp_path / "l.sqlite", run="r", budget=budget) as ledger:
        flying = [await ledger.begin("h/v1#m", MOST, paid=True) for _ in range(2)]
        third = asyncio.create_task(ledger.begin("h/v1#m", MOST, paid=True))
        await asyncio.sleep(0.03)
        assert not third.done()
        ledger.end(flying[0], prompt=1, completion=1)
        await asyncio.sleep(0.03)
        assert not third.done()  # 2 spent, 30 in flight: 62 at most
        ledger.end(flying[1], prompt=1, completion=1)
        ledger.end(await third, prompt=1, completion=1)


async def test_tokens_that_are_not_known_count_at_their_bound(tmp_path: Path) -> None:
    async with await open_ledger(
        tmp_path / "l.sqlite", run="r", budget=Budget(tokens=50)
    ) as ledger:
        ledger.end(await ledger.begin("h/v1#m", MOST, paid=True), error="timeout")
        with pytest.raises(BudgetSpent):
            await ledger.begin("h/v1#m", MOST, paid=True)


async def test_a_cap_on_money_needs_prices_and_local_models_are_free(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    priced = Budget(money=0.001, prices={"m": Price(input=10.0, output=20.0)})
    async with await open_ledger(path, run="r", budget=priced) as ledger:
        # 10 and 20 tokens at most: 0.0005; 4 and 6 in fact: 0.00016
        await pay(ledger, 4)
        assert ledger.account.used["money"] == pytest.approx(0.00064)
        with pytest.raises(BudgetSpent, match=r"money.*0\.0006 of 0\.0010"):
            await pay(ledger)
        ledger.end(await ledger.begin("nano@1", MOST, paid=False))
        with pytest.raises(InputError, match=r"price of h/v1#other"):
            await ledger.begin("h/v1#other", MOST, paid=True)


@pytest.mark.parametrize("budget", [Budget(tokens=9), Budget(money=1, prices={"*": Price(1, 1)})])
async def test_a_cap_on_tokens_or_money_needs_a_bound_on_answers(
    tmp_path: Path, budget: Budget
) -> None:
    async with await open_ledger(tmp_path / "l.sqlite", run="r", budget=budget) as ledger:
        with pytest.raises(InputError, match="max_tokens"):
            await ledger.begin("h/v1#m", Bound(1, None), paid=True)


def test_a_price_is_found_by_identity_name_or_star() -> None:
    low, high, rest = Price(1, 2), Price(3, 4), Price(5, 6)
    budget = Budget(prices={"h:1/v1#a@2": low, "b": high, "*": rest})
    assert budget.price("h:1/v1#a@2") == low
    assert budget.price("h:1/v1#b@7") == high
    assert budget.price("h:1/v1#org/c") == rest


def test_the_bound_covers_every_byte_and_every_sample() -> None:
    most = bound([Message("user", "ü" * 100)], Sampling(max_tokens=7), n=3)
    assert most.prompt >= 200
    assert most.completion == 21
    assert bound([], Sampling()).completion is None
    with_schema = bound([], Sampling(schema='{"title":"ü"}'))
    assert with_schema.prompt == bound([], Sampling()).prompt + 14
