"""Options of `trueline evaluate`, apart from the runner so that the command line starts quickly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from trueline.runs.options import (
    ARGUMENT,
    NO_IDENTITY,
    Count,
    Limit,
    NotNegative,
    PolicyFile,
    RunOptions,
)

LOCAL = "local"
"""The name for all benchmarks whose data are here."""


@dataclass(frozen=True, kw_only=True)
class Options(PolicyFile, RunOptions, Limit):
    """Options of `trueline evaluate`.

    Where data lie is not part of a run's identity: their hashes are.
    """

    model: Annotated[str, Meta(description="Model to evaluate.", extra=ARGUMENT)] = ""
    out: Annotated[Path, Meta(description="New folder for the results.", extra=NO_IDENTITY)] = Path(
        "results"
    )
    benchmark: Annotated[
        tuple[str, ...],
        Meta(
            description='Benchmark, group or TOML file; repeatable. "local": all whose data are on '
            "this machine.",
            extra=NO_IDENTITY,
        ),
    ] = (LOCAL,)
    data: Annotated[
        Path | None,
        Meta(
            description="Folder with the benchmarks' data files (default: the usual places).",
            extra=NO_IDENTITY,
        ),
    ] = None
    judge: Annotated[
        tuple[str, ...],
        Meta(description="Labeller that judges answers, in one of the forms above (repeatable)."),
    ] = ()
    limit: Annotated[
        Count | None,
        Meta(
            description="Use at most N items per benchmark, drawn at random (default: all).",
            extra=NO_IDENTITY,
        ),
    ] = None
    repeats: Annotated[Count, Meta(description="Answers sampled per item.")] = 1
    temperature: Annotated[
        NotNegative, Meta(description="Sampling temperature of the evaluated model (0 = greedy).")
    ] = 0.0
    seed: Annotated[int, Meta(description="Random seed for sampling.")] = 0
    choice: Annotated[
        Literal["likelihood", "written"],
        Meta(description="How options are chosen: by likelihood, or written as a letter."),
    ] = "likelihood"
    rescore: Annotated[
        Path | None,
        Meta(
            description="Score the answers in this folder of results again; ask no model.",
            extra=NO_IDENTITY,
        ),
    ] = None
    list: Annotated[bool, Meta(description="List the benchmarks and stop.", extra=NO_IDENTITY)] = (
        False
    )
