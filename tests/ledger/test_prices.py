"""Prices in a file that its user edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline.files.errors import InputError
from trueline.ledger.budget import Bound, Budget, Price
from trueline.ledger.prices import load
from trueline.ledger.sqlite import open_ledger
from trueline.ledger.summary import summary


def test_prices_are_found_by_identity_by_name_and_for_all_others(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        '["h:1/v1#ORG/a@2"]\ninput = 1\noutput = 2\n[gpt-x]\ninput = 2.5\noutput = 10.0\n'
        '["*"]\ninput = 0\noutput = 0.5\n'
    )
    budget = Budget(prices=load(path))
    assert budget.price("h:1/v1#ORG/a@2") == Price(1, 2)
    assert budget.price("h:1/v1#ORG/a") == Price(0, 0.5)
    assert budget.price("h:1/v1#gpt-x@later") == Price(2.5, 10)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = [", "not TOML: "),
        ("", "no prices in it"),
        ("input = 1\noutput = 2\n", "'input' is not in a table"),
        ("[m]\ninput = 1\n", r'\["m"\]: .*missing required field `output`'),
        ("[m]\ninput = 1\noutput = 2\ncached = 3\n", r'\["m"\]: .*unknown field `cached`'),
        ("[m]\ninput = -1\noutput = 2\n", r'\["m"\] input is -1\.0: expected a number from 0 up'),
        ("[m]\ninput = 1\noutput = nan\n", r'\["m"\] output is nan'),
        ("[m]\ninput = 1\noutput = inf\n", r'\["m"\] output is inf'),
        ('[m]\ninput = "1"\noutput = 2\n', r'\["m"\] input: expected `float`, got `str`'),
        ("[m]\ninput = true\noutput = 2\n", r'\["m"\] input: expected `float`, got `bool`'),
        ("[m-4.1]\ninput = 1\noutput = 2\n", r'put a name with dots in quotes: \["m-4.1"\]'),
        ("[m]\ninput = 1\noutput = 2\n\xff", "cannot be read as UTF-8 text"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_key(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=told) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        load(tmp_path / "none.toml")


async def test_what_was_booked_at_the_old_price_stays(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    most = Bound(prompt=1_000_000, completion=0)

    async def pay(cap: float, price: float) -> float:
        budget = Budget(money=cap, prices={"*": Price(price, 0)})
        async with await open_ledger(path, run="r", budget=budget) as ledger:
            ledger.end(await ledger.begin("h#m", most, paid=True), prompt=1_000_000, completion=0)
            return ledger.account.used["money"]

    assert await pay(cap=2, price=2) == pytest.approx(2)
    assert await pay(cap=5, price=3) == pytest.approx(5)
    assert summary(path)[0].money == pytest.approx(5)
