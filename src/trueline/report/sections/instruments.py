"""Who scored the answers, and how far each of them was measured to agree with others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from trueline.agreement.cards import CardEntry, find_card
from trueline.report.pairs import Pair


class Instrument(Struct, frozen=True):
    """One instrument, the questions it answered on this page, and the entries of its agreement card
    on them; `n_other_entries` counts entries on other questions."""

    name: str
    hash: str | None
    questions: list[str]
    n_benchmarks: int
    entries: list[CardEntry]
    n_other_entries: int

    @property
    def unmeasured(self) -> list[str]:
        """The questions on which its error is not known."""
        return [q for q in self.questions if q not in {e.question for e in self.entries}]


def list_instruments(pairs: Sequence[Pair], folders: Sequence[Path]) -> list[Instrument]:
    """Every instrument that gave a number of this page.  Raises InputError for a file that is no
    card."""
    uses: dict[tuple[str, str | None], tuple[set[str], set[str]]] = {}
    for results in (r for p in pairs for r in (p.comparison.base, p.comparison.treated)):
        for result in results.metrics:
            metric = result.metric
            key = metric.name, metric.instrument
            questions, benchmarks = uses.setdefault(key, (set(), set()))
            questions.add(metric.question)
            benchmarks.add(metric.benchmark)
    return [
        _instrument(name, hash, questions, len(benchmarks), folders)
        for (name, hash), (questions, benchmarks) in sorted(uses.items(), key=lambda u: str(u[0]))
    ]


def _instrument(
    name: str, hash: str | None, questions: set[str], n_benchmarks: int, folders: Sequence[Path]
) -> Instrument:
    card = find_card(hash, folders)
    entries = card.entries if card is not None else ()
    here = [entry for entry in entries if entry.question in questions]
    others = len(entries) - len(here)
    return Instrument(name, hash, sorted(questions), n_benchmarks, here, others)
