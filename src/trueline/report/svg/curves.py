"""How the treated models were trained: the curves in their cards."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.report.pairs import ModelSide, Pair
from trueline.report.svg.drawing import Axis, make_axis, make_line
from trueline.runs.record import read_record
from trueline.train import card
from trueline.train.card import Card

POINTS = 100
"""Steps of a curve that are drawn and listed: evenly chosen, and always the last one."""
CURVES = 12
WIDTH, HEIGHT = 320.0, 150.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 310.0, 10.0, 124.0

_not_metrics = {"step", "epoch", "total_flos", "num_tokens", "num_input_tokens_seen"}
_last = ("entropy", "grad_norm", "learning_rate")


class Curve(Struct, frozen=True):
    """One metric by step; `line` is the drawing's path through the points."""

    name: str
    points: dict[int, float]
    across: Axis
    up: Axis
    line: str


class Training(Struct, frozen=True):
    """One treated model's card; `why` says why there is none.

    `argv` is the command line of the run that trained it, empty if that is not recorded.  `steps`
    are those shown, of `logged`; `n_left_out` counts the curves that are not shown.
    """

    pair: Pair
    card: Card | None
    why: str = ""
    argv: tuple[str, ...] = ()
    curves: list[Curve] = []
    steps: list[int] = []
    logged: int = 0
    n_left_out: int = 0

    @property
    def from_this_base(self) -> bool:
        """Whether the card names the base model of the comparison as the one trained from."""
        return self.card is not None and self.card.base_identity == self.pair.base.results.identity


def read_trainings(pairs: Sequence[Pair]) -> list[Training]:
    """Of every treated model, how it was trained or why that is not known."""
    return [_read_training(pair) for pair in pairs]


def _read_training(pair: Pair) -> Training:
    found = _read_card(pair.treated)
    if isinstance(found, str):
        return Training(pair, None, found)
    metrics = logged_metrics(found)
    logged = sorted({step for points in metrics.values() for step in points})
    kept = logged[:: max(1, -(-len(logged) // POINTS))]
    steps = kept if not logged or kept[-1] == logged[-1] else [*kept, logged[-1]]
    thinned = {name: {s: p[s] for s in steps if s in p} for name, p in metrics.items()}
    curves = [_curve(name, points) for name, points in thinned.items() if len(points) > 1]
    left_out = max(0, len(curves) - CURVES)
    return Training(
        pair=pair,
        card=found,
        argv=_read_argv(Path(pair.treated.name)),
        curves=curves[:CURVES],
        steps=steps,
        logged=len(logged),
        n_left_out=left_out,
    )


def _read_card(model: ModelSide) -> Card | str:
    folder = Path(model.name)
    if "://" in model.name or model.name.startswith("hf:") or not folder.is_dir():
        return "it is no folder on the machine that wrote this page"
    try:
        return card.read(folder)
    except InputError as error:
        return str(error)


def _read_argv(folder: Path) -> tuple[str, ...]:
    try:
        return read_record(folder).argv
    except InputError:
        return ()


def logged_metrics(training_card: Card) -> dict[str, dict[int, float]]:
    """The log by metric and step: the loss first, what belongs to the optimizer last."""
    metrics: dict[str, dict[int, float]] = {}
    for entry in training_card.log:
        step = entry.get("step")
        if step is None:
            continue
        for name, value in entry.items():
            if _is_metric(name) and value is not None and isfinite(value):
                metrics.setdefault(name, {})[int(step)] = value

    def order(name: str) -> tuple[bool, bool, bool, str]:
        return name != "loss", name != "eval_loss", name in _last, name

    return {name: metrics[name] for name in sorted(metrics, key=order)}


def _is_metric(name: str) -> bool:
    timing = name.endswith(("_runtime", "_per_second", "_steps")) or name.startswith("train_")
    return name not in _not_metrics and not timing


def _curve(name: str, points: dict[int, float]) -> Curve:
    across = Axis(min(points), max(points), _LEFT, _RIGHT, (min(points), max(points)))
    up = make_axis(points.values(), _BOTTOM, _TOP, ticks=3)
    return Curve(name, points, across, up, make_line(points, across, up))
