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
from trueline.evaluate.compare.compare import Side
from trueline.evaluate.compare.group_means import MORE_IS_BETTER
from trueline.evaluate.results import BenchmarkRun, Comparison, Difference
from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.report import text
from trueline.report.pairs import (
    ModelSide,
    Pair,
    find_verdict,
    group_titles,
    list_models,
    make_pairs,
)
from trueline.report.sections import commands, cost, examples, instruments, omissions
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
    "omissions": "What is missing",
    "examples": "Examples side by side",
    "commands": "How to reproduce it",
}
"""The parts of the page by the names of their templates, in order."""


def write(
    comparisons: Sequence[Comparison],
    path: Path,
    *,
    sides: Sequence[Side] = (),
    cards: Sequence[Path] = (FOLDER,),
    command: str = "",
) -> None:
    """Write the page of these comparisons to `path`.

    `sides` are the results that were compared, read with their texts; items of others are read from
    their folders, and if these cannot be read the page says so.  `cards` are the folders in which
    the instruments' agreement cards are looked up; `command` is the command line that led here, to
    be shown.  Raises InputError if `path` cannot be written or is a file that is no page, and if an
    agreement card is none.
    """
    path = path.resolve()  # what a link leads to is written, and the link stays
    is_page = path.is_file() and path.read_bytes()[: len(START)] in (START, b"")
    if path.exists() and not is_page:
        raise InputError(f"{path} is there, and is no page: choose another name for the report")
    with atomic_write(path) as file:
        file.write(render(comparisons, sides=sides, cards=cards, command=command).encode())


def render(
    comparisons: Sequence[Comparison],
    *,
    sides: Sequence[Side] = (),
    cards: Sequence[Path] = (FOLDER,),
    command: str = "",
) -> str:
    """The page as text."""
    pairs = make_pairs(comparisons, sides)
    models = list_models(pairs)
    trainings = curves.read_trainings(pairs)
    drawn = forest.make_forest(pairs)
    return (
        _environment()
        .get_template("page.jinja")
        .render(
            css=resources.files(PACKAGE).joinpath("page.css").read_text(encoding="utf-8"),
            version=trueline.__version__,
            sections=SECTIONS,
            pairs=pairs,
            models=models,
            single=len(pairs) == 1,
            counts={p.treated.mark: _count_verdicts(p) for p in pairs},
            benchmarks=_benchmarks(models),
            licences=_licences(models),
            forest=drawn,
            plane=plane.make_plane(pairs),
            numbers=_numbers(pairs),
            disagreements=forest.list_disagreements(pairs, drawn.axis),
            n_instruments=forest.count_instruments(pairs),
            trainings=trainings,
            instruments=instruments.list_instruments(pairs, cards),
            costs=cost.list_costs(models),
            omissions=omissions.list_omissions(pairs, models),
            examples=examples.select_examples(pairs),
            commands=commands.list_commands(trainings, models, pairs, command),
        )
    )


def _environment() -> jinja2.Environment:
    import jinja2  # not at the top, so that the command line starts without it

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: tuple[Any, ...] = (
        text.preview,
        text.plain_preview,
        text.preview_lines,
        text.wrap_words,
        text.format_number,
        text.format_limits,
        text.format_change,
        text.format_gain,
        text.format_range,
        text.format_tick,
        text.format_percent,
        text.format_logged,
        text.format_coverage,
        text.format_probability,
        text.format_duration,
        text.format_mean,
        format_interval,
        find_verdict,
        _format_settings,
    )
    environment.filters |= {function.__name__.lstrip("_"): function for function in filters}
    environment.globals |= {
        "UNKNOWN": UNKNOWN,
        "LIMITS": {"most": examples.MOST, "text": examples.TEXT, "points": curves.POINTS},
        "GROUPS": list(MORE_IS_BETTER),
    }
    return environment


def _format_settings(config: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(config, order="sorted"), indent=2).decode()


def _count_verdicts(pair: Pair) -> Counter[str]:
    """Primary metrics by their verdicts."""
    return Counter(find_verdict(d, pair.comparison.level) for d in pair.primary)


def _benchmarks(
    models: Sequence[ModelSide],
) -> list[tuple[str, list[tuple[BenchmarkRun, list[str]]]]]:
    """By group: each benchmark as it was run, with the marks of the models that it was run on so;
    one that was run in two ways comes twice."""
    runs: dict[Any, tuple[BenchmarkRun, list[str]]] = {}
    for model in models:
        for ran in model.results.benchmarks:
            key = ran.name, ran.data_hash, ran.items_hash, ran.asking_hash
            runs.setdefault(key, (ran, []))[1].append(model.mark)
    titles = group_titles({ran.group for ran, _ in runs.values()})
    return [
        (title, [entry for entry in runs.values() if entry[0].group == group])
        for group, title in titles.items()
    ]


def _licences(models: Sequence[ModelSide]) -> Counter[str]:
    """How many benchmarks have each licence."""
    return Counter({ran.name: ran.license for m in models for ran in m.results.benchmarks}.values())


def _numbers(pairs: Sequence[Pair]) -> list[tuple[str, list[list[tuple[Pair, Difference]]]]]:
    """All differences by group and by metric, the models below each other."""
    groups: dict[str, dict[tuple[str, str], list[tuple[Pair, Difference]]]] = {}
    order: dict[str, int] = {}
    for pair in pairs:
        for d in pair.comparison.differences:
            order.setdefault(d.metric.benchmark, len(order))
            metrics = groups.setdefault(d.group, {})
            metrics.setdefault((d.metric.benchmark, d.metric.key), []).append((pair, d))
    return [
        (title, sorted(groups[group].values(), key=lambda rows: order[rows[0][1].metric.benchmark]))
        for group, title in group_titles(set(groups)).items()
    ]
