"""A training run's card: what was trained on what, how, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.atomic import fresh
from trueline.files.errors import InputError
from trueline.train.data.preview import Preview
from trueline.train.memory import Memory, shown

CARD = "card.json"


class Data(Struct, frozen=True):
    """What was trained on: `hash` is over the ids and texts of the rows used, in order.

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

    `base` is the model trained from, by name and identity; `log` holds the loss and the method's
    metrics by step (None: not a number); `peak` is the most bytes held, measured; times are UTC
    and seconds.
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


def write(card: Card, out: Path) -> None:
    """Put the card into the model's folder, as README.md for people and card.json, last."""
    with fresh(out / "README.md") as file:
        file.write(readme(card).encode())
    with fresh(out / CARD) as file:
        file.write(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def read(folder: Path) -> Card:
    """The card of a trained model's folder; InputError where it has none."""
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
        f"{fell}; {card.seconds:,.0f} s, {shown(card.peak)} at most.",
        f"- {versions}.",
        "",
        "`card.json` has the options, the loss by step, the memory estimate and a row as it was "
        "trained on.",
    ]
    return "\n".join(lines) + "\n"
