"""What a run is told about prices, and what comes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.endpoint_server import Server

from trueline.files.errors import InputError
from trueline.recipes.kinds.safer_instruct import Options, build
from trueline.runs.options import decisive


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text('[m]\ninput = 10.0\noutput = 20.0\n["*"]\ninput = 1.0\noutput = 1.0\n')
    return path


def options(tmp_path: Path, **more: Any) -> Options:
    (tmp_path / "texts.txt").write_text("".join(f"The river under bridge {i}.\n" for i in range(9)))
    return Options(
        texts=(tmp_path / "texts.txt",),
        out=tmp_path / "out",
        ledger=tmp_path / "l.sqlite",
        quiet=True,
        near=1.0,
        **more,
    )


def test_a_fault_in_the_prices_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text("[m]\ninput = 1\n")
    given = options(tmp_path, prices=tmp_path / "prices.toml", reverse="nano:none")
    with pytest.raises(InputError, match=r"prices\.toml: .*output"):
        build(given)
    assert not given.ledger.exists() and not given.out.exists()


async def test_a_run_is_the_same_at_other_prices_and_what_was_booked_stays(
    tmp_path: Path, prices: Path
) -> None:
    async with Server(reply=lambda *_: "Tell me about the old bridge there.") as server:
        named = f"{server.url}#m"
        more: dict[str, Any] = {"reverse": named, "expert": named, "prices": prices}
        assert decisive(options(tmp_path, **more)) == decisive(
            options(tmp_path, **(more | {"prices": None}))
        )
        first = await asyncio.to_thread(build, options(tmp_path, **more, max_money=0.013))
        assert first is not None and first.status == "budget"
        booked = sum(spend.money for spend in first.spend)
        assert 0 < booked <= 0.013
        prices.write_text("[m]\ninput = 0\noutput = 0\n")
        second = await asyncio.to_thread(build, options(tmp_path, **more, max_money=0.013))
    assert second is not None and second.complete
    assert sum(spend.calls for spend in second.spend) > sum(spend.calls for spend in first.spend)
    assert sum(spend.money for spend in second.spend) == pytest.approx(booked)
