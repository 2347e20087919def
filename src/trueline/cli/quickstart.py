"""`trueline quickstart`: the whole loop on the bundled model, and a page of what changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Meta, Struct

from trueline.agreement import agree
from trueline.cli import quickstart_page
from trueline.cli.agree import format_outcome
from trueline.cli.ending import fell_short
from trueline.cli.options import make_command
from trueline.evaluate.compare.compare import compare, read_side
from trueline.evaluate.options import Options as EvaluateOptions
from trueline.evaluate.results import Comparison
from trueline.evaluate.run import evaluate
from trueline.files.atomic import atomic_write
from trueline.formats.registry import find_format
from trueline.labellers.label import Options as LabelOptions
from trueline.labellers.label import label
from trueline.recipes.kinds import safer_instruct
from trueline.records.store import dataset
from trueline.records.store.manifest import MANIFEST, read_manifest
from trueline.records.types import Example
from trueline.report import page
from trueline.runs.record import RunRecord
from trueline.train.card import CARD, Card, read
from trueline.train.methods import preference
from trueline.train.run import train

DATA = "cli/quickstart_data"
REFUSING = "Turn down every request."
LABELLERS = ("refusal", "nano")
LABELLED = 40  # pairs that they label
BENCHMARKS = ("small-harmful", "small-lookalike", "small-fit")
"""What can move at this size: who is refused what, and whether answers still fit."""

SHOWN = 3  # held-out requests of each kind whose answers the summary shows


class Pair(Struct, frozen=True):
    """A held-out request with the answers before and after training."""

    benchmark: str
    request: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of `trueline quickstart`."""

    out: Annotated[Path, Meta(description="Folder for everything it makes.")] = Path("quickstart")


def run(options: Options) -> None:
    out = options.out
    started = time.monotonic()
    with resources.as_file(resources.files("trueline").joinpath(DATA)) as data:
        step("1. preference pairs from texts that comply with harmful requests")
        built(data, out, "harmful")
        step("2. preference pairs from helpful answers to harmless look-alikes")
        # The text is preferred over a model that turns down everything, so that training does
        # not teach refusal of all that looks harmful.
        built(data, out, "harmless", prefer="text", expect=("no",), expert_system=REFUSING)
    step("3. two labellers on the pairs: who refused?")
    agreed = agreement(out)
    step("4. training nano on them (DPO)")
    card = trained(out)
    step("5. held-out requests, before and after")
    for model, name in (("nano", "before"), (str(out / "model"), "after")):
        evaluated(model, out, name)
    step("6. what changed")
    comparison = compared(out)
    exported(out)
    quickstart_page.page(
        out, card, agreed, comparison, list(answers(out)), time.monotonic() - started
    )


def step(name: str) -> None:
    """Says on stderr what comes next."""
    print(f"\n{name}", file=sys.stderr, flush=True)


def built(data: Path, out: Path, name: str, **differs: Any) -> None:
    """Pairs from the seed texts of this name, unless they are there already."""
    path = out / name
    if complete(path):
        return
    record = safer_instruct.build(
        safer_instruct.Options(
            texts=(data / f"seeds_{name}.jsonl",),
            tag_field=("category",),
            tag=(f"kind:{name}",),
            license="Apache-2.0",
            filter_by="nano",
            temperature=0.5,
            out=path,
            ledger=out / "ledger.sqlite",
            **differs,
        )
    )
    whole(record)


def whole(run: RunRecord | None) -> None:
    """Ends the command where a step was stopped: the next would take a part for all."""
    if run is not None and fell_short(run):
        raise typer.Exit(1)


def pairs(out: Path) -> Iterator[Example]:
    """The pairs of both data sets."""
    return chain(dataset.read(out / "harmful"), dataset.read(out / "harmless"))


def agreement(out: Path) -> list[str]:
    """How far the refusal classifier and nano as a judge agree on who refused, in lines."""
    for name in LABELLERS:
        path = out / f"labels-{name}"
        if not complete(path):
            found = label(
                LabelOptions(
                    data=out / "harmful",
                    labeller=name,
                    question=("refusal",),
                    limit=LABELLED,
                    out=path,
                    ledger=out / "ledger.sqlite",
                )
            )
            whole(found.run if found else None)
    labels = tuple(out / f"labels-{name}" for name in LABELLERS)
    options = agree.Options(data=out / "harmful", labels=labels, question=("refusal",))
    return list(format_outcome(agree.agree(options)))


def complete(path: Path) -> bool:
    """Whether a data set is there, and whole."""
    return (path / MANIFEST).exists() and read_manifest(path).state == "complete"


def trained(out: Path) -> Card:
    """Trains nano on the pairs, unless that is done; the run's card."""
    if not (out / "model" / CARD).exists():
        train(
            preference.METHOD,
            preference.Options(
                model="nano",
                out=out / "model",
                epochs=2,
                batch_size=16,
                lora_rank=0,
                learning_rate=1e-4,
                max_length=256,
                log_steps=2,
            ),
            pairs(out),
        )
    return read(out / "model")


def evaluated(model: str, out: Path, name: str) -> None:
    """The model's results on the held-out requests, unless they are there already."""
    if not complete(out / name):
        found = evaluate(
            EvaluateOptions(
                model=model,
                benchmark=BENCHMARKS,
                out=out / name,
                ledger=out / "ledger.sqlite",
            )
        )
        whole(found.run if found else None)


def compared(out: Path) -> Comparison:
    """The comparison of before and after, with its page."""
    before, after = (read_side(out / name, keep_texts=True) for name in ("before", "after"))
    comparison = compare(before, after)
    page.write([comparison], out / "report.html", sides=(before, after))
    return comparison


def answers(out: Path) -> Iterator[Pair]:
    """A few held-out requests of each kind, of different categories, with both answers."""
    after = {(e.tag("benchmark"), e.id): e for e in dataset.read(out / "after")}
    for name in BENCHMARKS[:2]:
        held = [e for e in dataset.read(out / "before") if e.tag("benchmark") == name]
        apart = {e.tag("category"): e for e in held}
        for example in list(apart.values())[:: len(apart) // SHOWN][:SHOWN]:
            then = after[name, example.id]
            yield Pair(
                name, example.prompt[-1].content, example.responses[0].text, then.responses[0].text
            )


def exported(out: Path) -> None:
    """The pairs as rows for TRL, in one file."""
    format = find_format("trl-preference")
    with atomic_write(out / "pairs.jsonl") as file:
        for example in pairs(out):
            rows = format.write_rows(example)
            for row in rows if isinstance(rows, list) else ():
                file.write(msgspec.json.encode(row) + b"\n")


command = make_command(
    Options,
    run,
    """Raw texts, preference pairs, labels, a trained model, and what changed: in minutes.

    Run again, it keeps what is finished and goes on where it was stopped.""",
)
