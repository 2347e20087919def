"""What is converted and how (`Options`), one `Pass` over it, and what came of it (`Conversion`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trueline.formats.load import load
from trueline.formats.registry import mapping_for
from trueline.policy.depend import drop_implied_answers
from trueline.policy.types import Policy
from trueline.policy.values import derive_preference, preference_rule
from trueline.recipes.filters.blank import blank
from trueline.recipes.filters.boilerplate import ChosenTexts, boilerplate
from trueline.recipes.filters.decontaminate import decontaminate
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Source, Unscored, with_labels, with_tags
from trueline.runs.context import RunContext
from trueline.runs.engine import LocalEngine, Stop, source
from trueline.runs.options import ARGUMENT, NO_IDENTITY, Count, Output, PolicyFile
from trueline.runs.record import StageCount
from trueline.runs.stage import Item, Outcome, Rejected, Stage
from trueline.runs.write import POLICY, reject_contradictions


@dataclass(frozen=True, kw_only=True)
class Options(PolicyFile, Output):
    """Options of `trueline convert`.

    What `--from` brings in meets the checks of every build: blank responses, one chosen text used
    more than `keep_boilerplate` times, and prompts that sit in the files of `decontaminate`.
    """

    source: Annotated[Path, Meta(description="Data set or file to convert.", extra=ARGUMENT)]
    out: Annotated[
        Path,
        Meta(
            description="New folder, or new file (.jsonl; other kinds with --to).",
            extra=ARGUMENT | NO_IDENTITY,
        ),
    ]
    from_: Annotated[str | None, Meta(description="Format of the input; see --list.")] = None
    to: Annotated[str | None, Meta(description="Format of the output; see --list.")] = None
    map: Annotated[
        tuple[str, ...],
        Meta(description="PART=COLUMN for the format columns; may be repeated."),
    ] = ()
    tag: Annotated[
        tuple[str, ...], Meta(description="Tag key:value for every Example; may be repeated.")
    ] = ()
    license: Annotated[str | None, Meta(description="Licence of the Examples that name none.")] = (
        None
    )
    decontaminate: Annotated[
        tuple[Path, ...],
        Meta(description="Evaluation file whose prompts are rejected; may be repeated."),
    ] = ()
    decontaminate_field: Annotated[
        str | None,
        Meta(description="Column of the prompts in those files (default: the usual names)."),
    ] = None
    keep_boilerplate: Annotated[
        Count | None,
        Meta(description="Reject a chosen text after N uses of it (default: keep all)."),
    ] = None
    preference: Annotated[
        str | None,
        Meta(
            description="Preference question that decides which response is better, as safer or "
            "more_helpful, or own: the Examples' own questions by their weights; Examples that it "
            "does not decide are rejected (default: preferred)."
        ),
    ] = None
    max_rejects: Annotated[
        str,
        Meta(
            description="Exit code 1 if more rows are rejected: a number, or a share as 5%.",
            extra=NO_IDENTITY,
        ),
    ] = "0"


class Conversion(Struct, frozen=True):
    """What came of a conversion.

    `rejects` counts by reason, `unread` the rows with columns that the format does not read,
    `losses` the Examples with parts that it cannot hold; `boilerplate` is how often the most
    frequent chosen text is used, of how many; `rows` are those written, if a format makes several
    of one Example.  `unfinished`: the source is a data set whose run has not seen all its input.
    """

    source: str
    out: str
    examples: int
    rejects: dict[str, int]
    unread: dict[str, int]
    boilerplate: tuple[int, int]
    losses: dict[str, int] = {}
    rows: int | None = None
    status: str = "complete"
    unfinished: bool = False

    @property
    def rejected(self) -> int:
        return sum(self.rejects.values())


# ---- one pass over the input -----------------------------------------------------------------


class Pass:
    """One pass over the input, with its own stages and counts."""

    def __init__(self, options: Options, policy: Policy) -> None:
        self.options, self.policy = options, policy
        self.unread: Counter[str] = Counter()
        mapping = mapping_for(options.from_, options.map)
        self.items = load(options.source, options.from_, mapping, self.unread, policy)
        self.chosen = ChosenTexts()
        self.stages = list(_stages(options, policy))

    async def stream(self) -> AsyncGenerator[Item]:
        """What comes out of the stages, the policy's check the last of them."""
        engine = LocalEngine(RunContext(self.policy))
        stages = [*self.stages, Stage(POLICY, reject_contradictions)]
        async with aclosing(engine.stream(source(self.items, Stop()), stages)) as stream:
            async for item in stream:
                self.observe(item)
                yield item

    def observe(self, item: Item) -> None:
        """Counts the chosen texts, also of Examples that were rejected because of them."""
        if isinstance(item, Rejected) and item.stage == "boilerplate":
            item = item.example
        if isinstance(item, Example):
            self.chosen.add(item)

    def report(self, examples: int, stages: Sequence[StageCount], **more: Any) -> Conversion:
        source = self.options.source
        rejects: Counter[str] = Counter()
        for stage in stages:
            rejects.update(stage.rejected)
        return Conversion(
            str(source),
            str(self.options.out),
            examples,
            dict(rejects.most_common()),
            dict(sorted(self.unread.items())),
            boilerplate=(self.chosen.most, self.chosen.total),
            unfinished=source.is_dir() and read_manifest(source).state != "complete",
            **more,
        )


def _stages(options: Options, policy: Policy) -> Iterator[Stage]:
    """What every Example walks through on its way."""
    name, license = options.source.name, options.license

    def mark(example: Example) -> Example:
        if license is not None and (example.source is None or example.source.license is None):
            source = msgspec.structs.replace(example.source or Source(name), license=license)
            example = msgspec.structs.replace(example, source=source)
        return with_tags(example, *options.tag)

    def decide(example: Example) -> Outcome:
        label = derive_preference(example, preference_rule(options.preference or ""), policy)
        if isinstance(label, Unscored):
            reason, _, detail = label.reason.partition(": ")
            return Rejected(example, reason, detail)
        return with_labels(example, label)

    yield Stage.of("mark", mark)
    if options.from_ is not None:
        yield Stage("blank", blank)
    if options.decontaminate:
        yield Stage(
            "decontaminate",
            partial(decontaminate, files=options.decontaminate, field=options.decontaminate_field),
        )
    if options.preference is not None:
        yield Stage.of("preference", decide)
    if options.keep_boilerplate is not None:
        yield Stage("boilerplate", partial(boilerplate, keep=options.keep_boilerplate))
    if options.from_ is not None:
        yield Stage.of("implied answers", lambda example: drop_implied_answers(example, policy))
