"""`trueline quickstart`: the main job on the bundled model, offline, and a summary to read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct

from trueline.build.recipes import safer_instruct
from trueline.flow.wait import wait
from trueline.records import folder
from trueline.records.types import Example, Message, Sampling

DATA = "cli/quickstart_data"
REFUSING = "Turn down every request."
SHOWN = 6  # held-out requests that are answered before and after


class Held(Struct, frozen=True):
    """A request that no seed text was made from."""

    request: str
    kind: str
    category: str


def command(
    out: Annotated[Path, typer.Option("--out", help="A folder for everything it makes.")] = Path(
        "quickstart"
    ),
) -> None:
    """Raw texts to preference pairs to a trained model, with the bundled model, in minutes.

    Run again, it keeps what is finished and goes on where it was stopped.
    """
    from trueline.cli.quickstart_page import page

    started = time.monotonic()
    with resources.as_file(resources.files("trueline").joinpath(DATA)) as data:
        step("1. preference pairs from texts that comply with harmful requests")
        unless_done(out / "harmful", lambda: harmful(data, out))
        step("2. preference pairs from helpful answers to harmless look-alikes")
        unless_done(out / "harmless", lambda: harmless(data, out))
        held = msgspec.json.decode(
            b"[" + b",".join((data / "heldout.jsonl").read_bytes().split(b"\n")[:-1]) + b"]",
            type=list[Held],
        )
    step("3. training nano on them (DPO)")
    card = trained(out)
    step("4. the same requests before and after")
    asked = shown(held)
    before = answers("nano", [h.request for h in asked])
    after = answers(str(out / "model"), [h.request for h in asked])
    step("5. an export for TRL")
    exported(out)
    page(out, card, list(zip(asked, before, after, strict=True)), time.monotonic() - started)


def step(name: str) -> None:
    """Says on stderr what comes next."""
    import sys

    print(f"\n{name}", file=sys.stderr, flush=True)


def unless_done(path: Path, make: Callable[[], Any]) -> None:
    """Makes a data set folder, unless it is complete already."""
    if not (path / folder.MANIFEST).exists() or folder.manifest(path).state != "complete":
        make()


def harmful(data: Path, out: Path) -> None:
    """The expert, told to be safe, is preferred over the texts."""
    safer_instruct.build(
        safer_instruct.Options(
            texts=(data / "seeds_harmful.jsonl",),
            tag_field=("category",),
            tag=("kind:harmful",),
            license="Apache-2.0",
            judge="nano",
            out=out / "harmful",
            ledger=out / "ledger.sqlite",
        )
    )


def harmless(data: Path, out: Path) -> None:
    """The texts are preferred over a model that turns down everything, so that training does not
    teach refusal of all that looks harmful."""
    safer_instruct.build(
        safer_instruct.Options(
            texts=(data / "seeds_harmless.jsonl",),
            tag_field=("category",),
            tag=("kind:lookalike",),
            license="Apache-2.0",
            judge="nano",
            expect="no",
            prefer="text",
            expert_system=REFUSING,
            out=out / "harmless",
            ledger=out / "ledger.sqlite",
        )
    )


def pairs(out: Path) -> Iterator[Example]:
    """The pairs of both data sets."""
    return chain(folder.read(out / "harmful"), folder.read(out / "harmless"))


def trained(out: Path) -> dict[str, Any]:
    """Trains nano on the pairs, unless that is done; returns the run's card as plain data."""
    from trueline.train.methods import preference

    path = out / "model" / "card.json"
    if not path.exists():
        preference.train(
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
    card: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return card


def shown(held: list[Held]) -> list[Held]:
    """A few held-out requests: harmful ones and look-alikes by turns, of different categories."""
    found: list[Held] = []
    for kind in ("harmful", "lookalike"):
        by_category = {h.category: h for h in reversed(held) if h.kind == kind}
        found += [by_category[name] for name in sorted(by_category)][
            :: max(1, len(by_category) // 3)
        ][: SHOWN // 2]
    return found


def answers(model: str, requests: list[str]) -> list[str]:
    """Greedy answers to the requests alone, with no system message."""
    from trueline.models.open import open_model

    async def ask() -> list[str]:
        import asyncio

        opened = open_model(model)
        sampling = Sampling(temperature=0.0, max_tokens=80)
        drawn = await asyncio.gather(
            *(opened.generate([Message("user", request)], sampling) for request in requests)
        )
        await opened.close()
        return [completion.text for [completion] in drawn]

    return wait(ask())


def exported(out: Path) -> None:
    """The pairs as rows for TRL, in one file."""
    from trueline.records import formats
    from trueline.records.atomic import fresh

    format = formats.named("trl-preference", None)
    with fresh(out / "pairs.jsonl") as file:
        for example in pairs(out):
            row = format.write(example)
            if isinstance(row, dict):
                file.write(msgspec.json.encode(row) + b"\n")
