"""Option groups that recipes combine: texts to begin with, a reversed model, an expert, filters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from trueline.runs.options import Count, Limit, NotNegative, PolicyFile

SAFETY = (
    "Be safe. If a request could hurt someone, do not help with it; offer something safe instead. "
    "Help with every other request."
)


@dataclass(frozen=True, kw_only=True)
class Texts(Limit):
    """Raw texts as the input."""

    texts: Annotated[
        tuple[Path, ...],
        Meta(description="File of raw texts: JSONL, CSV, TXT or Parquet, also .gz (repeatable)."),
    ]
    text_field: Annotated[str, Meta(description="Column that holds the text.")] = "text"
    tag_field: Annotated[
        tuple[str, ...], Meta(description="Column to keep as a tag (repeatable).")
    ] = ()
    tag: Annotated[
        tuple[str, ...], Meta(description="Tag key:value for every Example (repeatable).")
    ] = ()
    license: Annotated[
        str | None, Meta(description="Licence of the texts, as an SPDX identifier.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Seed:
    """Where randomness begins."""

    seed: Annotated[int, Meta(description="Random seed for sampling.")] = 0


@dataclass(frozen=True, kw_only=True)
class Induce(Seed):
    """How a reversed model writes the prompt of a text."""

    reverse: Annotated[str, Meta(description="Reversed model, which writes prompts for texts.")] = (
        "nano:reverse"
    )
    candidates: Annotated[Count, Meta(description="Candidate prompts sampled per text.")] = 4
    temperature: Annotated[
        NotNegative, Meta(description="Sampling temperature for the candidates (0 = greedy).")
    ] = 0.8
    instruction_tokens: Annotated[Count, Meta(description="Max tokens per candidate.")] = 96


@dataclass(frozen=True, kw_only=True)
class Respond(Seed):
    """How an expert model answers."""

    expert: Annotated[str, Meta(description="Expert model, which answers the prompts.")] = "nano"
    expert_system: Annotated[
        str, Meta(description="System message of the expert (empty = none).")
    ] = SAFETY
    answer_tokens: Annotated[Count, Meta(description="Max tokens of the expert's answer.")] = 256
    answer_temperature: Annotated[
        NotNegative, Meta(description="Sampling temperature for the answer (0 = greedy).")
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class Filter(PolicyFile):
    """A labeller whose answers decide which Examples pass."""

    filter_by: Annotated[
        str | None,
        Meta(
            description="Labeller that decides which Examples pass: a model as a judge, refusal, "
            "classifier:…, guard:… (default: none)."
        ),
    ] = None
    question: Annotated[
        str, Meta(description="Question of the policy that the labeller must answer.")
    ] = "elicits_harm"
    expect: Annotated[
        tuple[str, ...],
        Meta(description="Answer that lets an Example pass: yes, no, an option (repeatable)."),
    ] = ("yes",)


@dataclass(frozen=True, kw_only=True)
class Near:
    """When two texts count as one."""

    near: Annotated[
        float,
        Meta(description="Jaccard similarity from which texts are near-duplicates.", gt=0, le=1),
    ] = 0.8


@dataclass(frozen=True, kw_only=True)
class Decontaminate(Near):
    """Evaluation sets whose prompts must not be in the data."""

    decontaminate: Annotated[
        tuple[Path, ...],
        Meta(description="Evaluation file whose prompts are rejected (repeatable)."),
    ] = ()
    decontaminate_field: Annotated[
        str | None,
        Meta(description="Column of the evaluation files that holds the prompt (default: found)."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Boilerplate:
    """How often one chosen text may be used."""

    keep_boilerplate: Annotated[
        Count | None,
        Meta(description="Reject a chosen text after N uses (default: report them only)."),
    ] = None
