"""What an evaluation is told: apart from the runner, so that the command line starts quickly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from trueline.runs.context import Count, NotNegative, RunOptions

LOCAL = "local"
"""The name for all benchmarks whose data are here."""


class Options(RunOptions, frozen=True, kw_only=True):
    """Which model is asked what, and who judges its answers."""

    # Where data lie is not part of what a run is: their hashes are.
    places: ClassVar[frozenset[str]] = frozenset({"data", "rescore", "benchmarks", "list"})

    out: Annotated[Path, Meta(description="The new folder of results.")] = Path("results")
    model: Annotated[str, Meta(description="The model's name.", extra={"argument": True})] = ""
    benchmarks: Annotated[
        str,
        Meta(
            description='Benchmarks, groups or TOML files, with commas; "local": all that is here.'
        ),
    ] = LOCAL
    data: Annotated[Path | None, Meta(description="The folder that has the data's files.")] = None
    judge: Annotated[
        tuple[str, ...],
        Meta(description="Who judges (a model, guard:…, classifier:…); may be repeated."),
    ] = ()
    limit: Annotated[Count | None, Meta(description="So many items of each benchmark.")] = None
    repeats: Annotated[Count, Meta(description="Answers to each item.")] = 1
    temperature: Annotated[NotNegative, Meta(description="Of the answers.")] = 0.0
    seed: Annotated[int, Meta(description="Of answers that are drawn.")] = 0
    choice: Annotated[
        Literal["likelihood", "written"],
        Meta(description="How options are chosen: likelihood, or written as a letter."),
    ] = "likelihood"
    rescore: Annotated[
        Path | None, Meta(description="Score the answers in this folder of results; ask nothing.")
    ] = None
    policy: Annotated[Path | None, Meta(description="A policy of your own.")] = None
    list: Annotated[bool, Meta(description="Say which benchmarks there are, and end.")] = False
