"""One HTML page that proves what changed between a base model and the models made of it.

It needs nothing but itself: no network, no script, no font.  Its texts come from models and data
sets and are shown as data; answers stay closed until the reader opens them.  The same records give
the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import trueline
from trueline.agreement.cards import FOLDER, UNKNOWN, format_interval
from trueline.evaluate.results import BenchmarkRun, Comparison, Difference
from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.report import text
from trueline.report.pairs import Pair, Party, pairs, parties, titles, verdict
from trueline.report.sections import account, examples, instruments
from trueline.report.svg import curves, forest, plane

if TYPE_CHECKING:
    import jinja2

PACKAGE = "trueline.report"
START = b"<!DOCTYPE html>"
SECTIONS = {
    "headline": "In short",
    "compared": "What was compared",
    "gains": "Gains by group",
    "plane": "Harmfulness against over-refusal",
    "numbers": "Every number",
    "disagreement": "Where two instruments disagree",
    "training": "Training",
    "instruments": "How far the instruments can be trusted",
    "cost": "Cost",
    "missing": "What is missing",
    "examples": "Examples side by side",
    "commands": "How to reproduce it",
}
"""The parts of the page by the names of their templates, in order."""


def write(
    comparisons: Sequence[Comparison],
    path: Path,
    *,
    cards: Sequence[Path] = (FOLDER,),
    command: str = "",
) -> None:
    """Write the page of these comparisons to `path`.

    `cards` are the folders in which the instruments' agreement cards are looked up; `command` is
    the command line that led here, to be shown.  Items are read from the results' folders, and
    where these cannot be read the page says so.  InputError where `path` cannot be written, where
    it is a file that is no page, and where an agreement card is none.
    """
    path = path.resolve()  # what a link leads to is written, and the link stays
    page = path.is_file() and path.read_bytes()[: len(START)] in (START, b"")
    if path.exists() and not page:
        raise InputError(f"{path} is there, and is no page: choose another name for the report")
    with atomic_write(path) as file:
        file.write(rendered(comparisons, cards=cards, command=command).encode())


def rendered(
    comparisons: Sequence[Comparison], *, cards: Sequence[Path] = (FOLDER,), command: str = ""
) -> str:
    """The page as text."""
    every = pairs(comparisons)
    models = parties(every)
    trained = curves.trainings(every)
    told_by = {t.pair.treated.mark: t.card for t in trained if t.card is not None}
    drawn = forest.forest(every)
    return (
        _environment()
        .get_template("page.jinja")
        .render(
            css=resources.files(PACKAGE).joinpath("page.css").read_text(encoding="utf-8"),
            version=trueline.__version__,
            sections=SECTIONS,
            pairs=every,
            models=models,
            single=len(every) == 1,
            counts={p.treated.mark: _counts(p) for p in every},
            benchmarks=_benchmarks(models),
            licences=_licences(models),
            forest=drawn,
            plane=plane.plane(every),
            numbers=_numbers(every),
            alone=[(p, p.results.metrics) for p in models],
            disagreeing=forest.disagreeing(every, drawn.axis),
            asked_twice=forest.instruments(every),
            trainings=trained,
            instruments=instruments.instruments(every, cards),
            spending=account.spending(models),
            missing=account.missing(every, models),
            examples=examples.examples(every),
            commands=account.commands(every, models, told_by, command),
        )
    )


def _environment() -> jinja2.Environment:
    import jinja2  # where it is needed, so that the command line starts without it

    made = jinja2.Environment(
        loader=jinja2.PackageLoader(PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions: dict[str, Any] = {
        name: getattr(text, name)
        for name in (
            "bare change duration gain limits logged named number part passage percent probability "
            "shown span tick words"
        ).split()
    }
    made.filters |= functions
    made.filters |= {"format_interval": format_interval, "verdict": verdict, "settings": _settings}
    made.globals |= {
        "UNKNOWN": UNKNOWN,
        "LIMITS": {"most": examples.MOST, "text": examples.TEXT, "points": curves.POINTS},
        "GROUPS": plane.GROUPS,
    }
    return made


def _settings(config: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(config, order="sorted"), indent=2).decode()


def _counts(pair: Pair) -> Counter[str]:
    """Primary metrics by what became of them."""
    return Counter(verdict(d, pair.comparison.level) for d in pair.primary)


def _benchmarks(models: Sequence[Party]) -> list[tuple[str, list[tuple[BenchmarkRun, list[str]]]]]:
    """By group: each benchmark as it was run, with the marks of the models that it was run on so;
    one that was run in two ways comes twice."""
    found: dict[Any, tuple[BenchmarkRun, list[str]]] = {}
    for party in models:
        for ran in party.results.benchmarks:
            how = ran.name, ran.data_hash, ran.items_hash, ran.asking_hash
            found.setdefault(how, (ran, []))[1].append(party.mark)
    groups = titles({ran.group for ran, _ in found.values()})
    return [
        (title, [entry for entry in found.values() if entry[0].group == group])
        for group, title in groups.items()
    ]


def _licences(models: Sequence[Party]) -> Counter[str]:
    """How many benchmarks have each licence."""
    return Counter({ran.name: ran.license for p in models for ran in p.results.benchmarks}.values())


def _numbers(every: Sequence[Pair]) -> list[tuple[str, list[list[tuple[Pair, Difference]]]]]:
    """All differences by group and by metric, the models below each other."""
    groups: dict[str, dict[tuple[str, str], list[tuple[Pair, Difference]]]] = {}
    first: dict[str, int] = {}
    for pair in every:
        for d in pair.comparison.differences:
            first.setdefault(d.metric.benchmark, len(first))
            metrics = groups.setdefault(d.group, {})
            metrics.setdefault((d.metric.benchmark, d.metric.key), []).append((pair, d))
    return [
        (title, sorted(groups[group].values(), key=lambda rows: first[rows[0][1].metric.benchmark]))
        for group, title in titles(set(groups)).items()
    ]
