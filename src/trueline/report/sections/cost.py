"""What each evaluation spent, by the model that was called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from trueline.ledger.summary import Spend
from trueline.report.pairs import ModelSide


class Cost(Struct, frozen=True):
    """One evaluation's spending: by model called (its own and its judges'), and in all."""

    model: ModelSide
    spends: list[Spend]
    total: Spend


def list_costs(models: Sequence[ModelSide]) -> list[Cost]:
    """The spending of every evaluation."""
    return [Cost(m, m.results.spend, add_spends(m.results.spend)) for m in models]


def add_spends(spends: Sequence[Spend]) -> Spend:
    """The sum; failures are summed by class."""
    failures = Counter[str]()
    for spend in spends:
        failures.update(spend.failures)
    return Spend(
        run="",
        model="",
        calls=sum(s.calls for s in spends),
        answers=sum(s.answers for s in spends),
        hits=sum(s.hits for s in spends),
        attempts=sum(s.attempts for s in spends),
        failures=dict(failures),
        prompt_tokens=sum(s.prompt_tokens for s in spends),
        completion_tokens=sum(s.completion_tokens for s in spends),
        money=sum(s.money for s in spends),
        seconds=sum(s.seconds for s in spends),
    )
