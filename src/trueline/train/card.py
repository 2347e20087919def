"""A training run's card: what was trained on what, how, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.train.data.preview import Preview
from trueline.train.memory import Memory, format_size

CARD = "card.json"


class Data(Struct, frozen=True):
    """What was trained on: `hash` is over the ids of the Examples used and the rows that they
    gave (tokens, masks, targets), in order.

    `truncated` rows lost their end to `max_length`; `skipped` counts by reason the Examples that
    gave no row.  `tokens` and `trained` (those that count) are of one pass.
    """

    source: str | None
    complete: bool
    hash: str
    examples: int
    rows: int
    truncated: int
    skipped: dict[str, int]
    tokens: int
    trained: int
    longest: int


class Card(Struct, frozen=True):
    """Stored as `card.json` in the model's folder, and written last: a folder with it is done.

    `base` is the model trained from, by name and identity; `log` holds the loss and the trainer's
    metrics by step (None: not a number), `metrics` the method's figures over the last quarter of
    them; `peak` is the most bytes held, measured; times are UTC and seconds.
    """

    method: str
    identity: str
    options: dict[str, Any]
    base: str
    base_identity: str
    data: Data
    template: str
    dtype: str
    device: str
    parameters: int
    trained_parameters: int
    learning_rate: float
    steps: int
    resumed_from: int
    seed: int
    versions: dict[str, str]
    memory: Memory
    peak: int
    preview: list[Preview]
    log: list[dict[str, float | None]]
    seconds: float
    started: str
    finished: str
    metrics: dict[str, float] = {}


def summarise(
    log: Sequence[Mapping[str, float | None]], metrics: Mapping[str, str]
) -> dict[str, float]:
    """The mean of each metric over the last quarter of its entries in the log; `metrics` are by
    our name, and the trainer's in the log."""
    means: dict[str, float] = {}
    for name, key in metrics.items():
        values = [v for entry in log if (v := entry.get(key)) is not None and isfinite(v)]
        if values:
            last = values[len(values) * 3 // 4 :]
            means[name] = sum(last) / len(last)
    return means


def write(card: Card, out: Path) -> None:
    """Put the card into the model's folder, as README.md for people and card.json, last."""
    with atomic_write(out / "README.md") as file:
        file.write(readme(card).encode())
    with atomic_write(out / CARD) as file:
        file.write(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def read(folder: Path) -> Card:
    """The card of a trained model's folder; InputError if it has none."""
    try:
        return msgspec.json.decode((folder / CARD).read_bytes(), type=Card)
    except OSError:
        raise InputError(f"{folder} holds no finished training run: it has no {CARD}") from None
    except msgspec.DecodeError as error:
        raise InputError(f"{folder / CARD} cannot be read: {error}") from None


def losses(card: Card) -> list[float]:
    """The losses as they were logged, in order."""
    return [loss for entry in card.log if (loss := entry.get("loss")) is not None]


def readme(card: Card) -> str:
    """The card for people."""
    data = card.data
    skipped = "".join(f"\n  - {n:,} {why}" for why, n in sorted(data.skipped.items()))
    adapted = "every weight" if not card.options["lora_rank"] else (
        f"LoRA of rank {card.options['lora_rank']}, "
        + ("merged" if card.options["save"] == "merged" else "kept as an adapter")
    )  # fmt: skip
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    loss = losses(card)
    fell = f"{loss[0]:.4f} → {loss[-1]:.4f}" if loss else "not logged"
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in card.metrics.items())
    lines = [
        f"# {card.base}, trained by `trueline train {card.method}`",
        "",
        f"- From {card.base} (identity `{card.base_identity}`); {adapted}, "
        f"{card.trained_parameters:,} of {card.parameters:,} parameters, in {card.dtype} on "
        f"{card.device}.",
        f"- Data: {data.rows:,} rows of {data.examples:,} Examples (hash `{data.hash}`)"
        + ("" if data.complete else ", **from an unfinished data set**")
        + f"; {data.tokens:,} tokens a pass, {data.trained:,} of them trained; "
        f"{data.truncated:,} rows truncated at {card.options['max_length']:,} tokens.",
        f"- Not used: {sum(data.skipped.values()):,}{skipped}",
        f"- {card.steps:,} steps, learning rate {card.learning_rate:g}, seed {card.seed}; loss "
        f"{fell}; {card.seconds:,.0f} s, {format_size(card.peak)} at most.",
        *([f"- In the last quarter of the log, on rows trained on: {metrics}."] if metrics else []),
        f"- {versions}.",
        "",
        "`card.json` has the options, the loss by step, the memory estimate and a row as it was "
        "trained on.",
    ]
    return "\n".join(lines) + "\n"
