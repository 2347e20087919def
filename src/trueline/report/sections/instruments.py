"""Who scored the answers, and how far each of them was measured to agree with others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from trueline.agreement.cards import UNKNOWN, CardEntry, find_card
from trueline.report.pairs import Pair


class Instrument(Struct, frozen=True):
    """One instrument, the questions it answered on this page, and where its agreement was
    measured on them; `others` counts measurements on other questions."""

    name: str
    hash: str | None
    questions: list[str]
    benchmarks: int
    entries: list[CardEntry]
    others: int

    @property
    def unknown(self) -> list[str]:
        """The questions on which its error is not known."""
        return [q for q in self.questions if q not in {m.question for m in self.entries}]


def instruments(pairs: Sequence[Pair], folders: Sequence[Path]) -> list[Instrument]:
    """Every instrument that gave a number of this page.  InputError for a file that is no card."""
    used: dict[tuple[str, str | None], tuple[set[str], set[str]]] = {}
    for results in (r for p in pairs for r in (p.comparison.base, p.comparison.treated)):
        for one in results.metrics:
            metric = one.metric
            asked, on = used.setdefault((metric.name, metric.instrument), (set(), set()))
            asked.add(metric.question)
            on.add(metric.benchmark)
    found = []
    for (name, instrument), (asked, on) in sorted(used.items(), key=lambda u: str(u[0])):
        card = find_card(instrument, folders)
        every = card.entries if card is not None else ()
        here = [m for m in every if m.question in asked]
        found.append(
            Instrument(name, instrument, sorted(asked), len(on), here, len(every) - len(here))
        )
    return found


__all__ = ["UNKNOWN", "Instrument", "instruments"]
