"""Data of other tools into ours and back, streamed; nothing is overwritten, and no row is lost."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from trueline.files.atomic import os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.files.hashing import hash_file
from trueline.files.lines import check_regular_file

if TYPE_CHECKING:
    from trueline.files.write import Columns
    from trueline.formats import Format
    from trueline.records.types import Example, Reject
    from trueline.runs.stage import Item, Stage
    from trueline.runs.stage import Outcome as StageOutcome

OURS = (".jsonl", ".jsonl.gz")
FOREIGN = (".csv", ".tsv", ".json", ".txt", ".parquet", ".ndjson", ".gz")

Losing = Callable[[str, dict[str, int]], None]
"""Is told, before anything is written, which parts of how many Examples a format cannot hold."""


class Conversion(Struct, frozen=True, kw_only=True):
    """What is to be converted and how; `reads` and `writes` name formats, None for ours.

    `mapping` goes with the format `columns`.  What `--from` brings in meets the checks of every
    build: blank responses, one chosen text used `keep_boilerplate` times and more, and prompts
    that sit in the files of `decontaminate`.  `prefer` is the id of a preference question that
    decides which response is better; Examples in which it does not decide are rejected, and so
    are those whose labels contradict the `policy`, trueline's own where none is named.
    """

    source: Path
    out: Path
    reads: str | None = None
    writes: str | None = None
    mapping: dict[str, list[str]] = {}
    tags: tuple[str, ...] = ()
    license: str | None = None
    decontaminate: tuple[Path, ...] = ()
    decontaminate_field: str | None = None
    keep_boilerplate: int | None = None
    prefer: str | None = None
    policy: Path | None = None


class Outcome(Struct, frozen=True):
    """What came of it: `rejects` by reason; `unread` counts the rows whose columns the format
    does not read, `loses` the Examples with parts that it cannot hold; `boilerplate` is how
    often the most frequent chosen text is used, of how many; `rows` are those written, where a
    format makes several of one Example; `unfinished`: IN is a data set whose run has not seen all
    its input yet."""

    source: str
    out: str
    examples: int
    rejects: dict[str, int]
    unread: dict[str, int]
    loses: dict[str, int]
    boilerplate: tuple[int, int]
    rows: int | None = None
    status: str = "complete"
    unfinished: bool = False

    @property
    def rejected(self) -> int:
        return sum(self.rejects.values())


def convert(asked: Conversion, quiet: bool = False, losing: Losing | None = None) -> Outcome:
    """Convert a data set, streamed, into a new folder or file; rejects are written beside it.

    InputError where the input or OUT is not what it should be.  A folder that an interrupted
    conversion left is continued; anything else that exists is refused.
    """
    if asked.reads is not None and asked.reads.startswith("hub:"):
        raise InputError(
            f"--from {asked.reads}: data sets are not yet fetched from a hub. Download the file, "
            "give it as IN, and name its format with --from"
        )
    check_regular_file(asked.source)
    name, inside = asked.out.name, asked.source.resolve()
    out = Path(os.path.realpath(asked.out))  # resolve() ends in a traceback at a loop of links
    if asked.source.is_dir() and inside in (out, *out.parents):
        raise InputError(f"{asked.out} lies in {asked.source}: a data set is never changed")
    if asked.writes is None and not name.endswith(OURS):
        if name.endswith(FOREIGN):
            raise InputError(f"{asked.out}: to write a file of this kind, name a format with --to")
        return _to_folder(asked, quiet)
    if not name:
        raise InputError(f"{asked.out} is a folder: with --to, OUT is a new file")
    for path in (asked.out, beside(asked.out)):
        with os_errors_as_input_errors(path):
            taken = path.exists()
        if taken:
            raise InputError(f"{path} exists: nothing is overwritten, choose another name")
    return _to_file(asked, losing)


class _Stream:
    """One pass over the input, with its own stages and counts."""

    def __init__(self, asked: Conversion) -> None:
        from trueline.formats.load import load
        from trueline.policy.depend import drop_implied_answers
        from trueline.policy.load import load as load_policy
        from trueline.recipes.filters.boilerplate import ChosenTexts
        from trueline.runs.engine import Stop
        from trueline.runs.stage import Stage

        self.policy = load_policy(asked.policy)
        self.unread: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.stop = Stop()
        self.chosen = ChosenTexts()
        mapping = asked.mapping if asked.reads == "columns" else None
        self.items = load(asked.source, asked.reads, mapping, self.unread)
        self.stages = stages(asked)
        if asked.reads is not None:
            self.stages.append(
                Stage.of("implied", lambda example: drop_implied_answers(example, self.policy))
            )

    async def __aiter__(self) -> AsyncIterator[Example | Reject]:
        from trueline.runs.context import RunContext
        from trueline.runs.engine import LocalEngine, source
        from trueline.runs.run import POLICY, reject_contradictions, stored_reject
        from trueline.runs.stage import Rejected, Stage

        stages = [*self.stages, Stage(POLICY, reject_contradictions)]
        stream = LocalEngine(RunContext(self.policy)).stream(source(self.items, self.stop), stages)
        async with aclosing(stream):
            async for item in stream:
                self.observe(item)
                yield stored_reject(item) if isinstance(item, Rejected) else item

    def observe(self, item: Item) -> None:
        """Counts the chosen texts, also of what was rejected because of them."""
        from trueline.records.types import Example
        from trueline.runs.stage import Rejected

        if isinstance(item, Rejected) and item.stage == "boilerplate":
            item = item.example
        if isinstance(item, Example):
            self.chosen.add(item)

    def outcome(self, asked: Conversion, examples: int, **more: Any) -> Outcome:
        return Outcome(
            str(asked.source),
            str(asked.out),
            examples,
            dict(self.rejects.most_common()),
            dict(sorted(self.unread.items())),
            more.pop("loses", {}),
            (self.chosen.most, self.chosen.total),
            unfinished=_unfinished(asked),
            **more,
        )


def stages(asked: Conversion) -> list[Stage]:
    """What every Example walks through on its way."""
    from functools import partial

    from trueline.policy.values import derive_preference
    from trueline.recipes.filters.blank import blank
    from trueline.recipes.filters.boilerplate import boilerplate
    from trueline.recipes.filters.decontaminate import decontaminate
    from trueline.records.types import Source, Unscored, with_labels, with_tags
    from trueline.runs.stage import Rejected, Stage

    def mark(example: Example) -> Example:
        if asked.license is not None:
            source = example.source or Source(asked.source.name)
            if source.license is None:
                source = msgspec.structs.replace(source, license=asked.license)
            example = msgspec.structs.replace(example, source=source)
        return with_tags(example, *asked.tags)

    def decide(example: Example) -> StageOutcome:
        label = derive_preference(example, asked.prefer or "")
        if isinstance(label, Unscored):
            reason, _, detail = label.reason.partition(": ")
            return Rejected(example, reason, detail)
        return with_labels(example, label)

    found = [Stage.of("mark", mark)]
    if asked.reads is not None:
        found.append(Stage("blank", blank))
    if asked.decontaminate:
        make = partial(decontaminate, files=asked.decontaminate, field=asked.decontaminate_field)
        found.append(Stage("decontaminate", make))
    if asked.prefer is not None:
        found.append(Stage.of("prefer", decide))
    return [*found, Stage("boilerplate", partial(boilerplate, keep=asked.keep_boilerplate))]


def _to_folder(asked: Conversion, quiet: bool) -> Outcome:
    from trueline.runs.context import RunContext
    from trueline.runs.record import path_input
    from trueline.runs.run import RunSpec, write_run
    from trueline.runs.sync import wait

    stream = _Stream(asked)
    settings = msgspec.to_builtins(asked, enc_hook=str)
    settings.pop("out")
    files = [asked.source, *asked.decontaminate, *([asked.policy] if asked.policy else [])]
    inputs = tuple(path_input(path) for path in files)
    decisive = settings | {f"{given.kind} {given.path}": given.hash for given in inputs}
    # a wrong format or column shows at the first row that can be read: before the folder is
    # anyone's
    first = []
    for item in islice(stream.items, 100):
        first.append(item)
        if not hasattr(item, "reason"):
            break
    record = wait(
        write_run(
            chain(first, stream.items),
            stream.stages,
            asked.out,
            RunSpec("convert", (), settings, decisive, inputs),
            RunContext(stream.policy),
            observe=stream.observe,
            quiet=quiet,
        )
    )
    for stage in record.stages:
        stream.rejects.update(stage.rejected)
    return stream.outcome(asked, record.rows, status=record.status)


def _to_file(asked: Conversion, losing: Losing | None) -> Outcome:
    from trueline import formats
    from trueline.files.write import Columns, is_parquet, writable
    from trueline.runs.sync import wait

    if asked.writes is None:
        return wait(_write_ours(asked))
    writable(asked.out)
    mapping = asked.mapping if asked.writes == "columns" else None
    format = formats.named(asked.writes, mapping)
    columns = Columns(arrow=is_parquet(asked.out))
    loses = wait(_losses(asked, format, columns))
    if loses and losing is not None:
        losing(format.name, loses)
    return wait(_write_rows(asked, format, columns, loses))


async def _losses(asked: Conversion, format: Format, columns: Columns) -> dict[str, int]:
    """What the format cannot hold, in how many Examples: found before anything is written."""
    from trueline.records.types import Example

    loses: Counter[str] = Counter()
    async for item in _Stream(asked):
        if isinstance(item, Example):
            rows = format.rows(item)
            if isinstance(rows, list):
                loses.update(format.loses(item))
                for row in rows:
                    columns.see(row)
    return dict(loses.most_common())


async def _write_rows(
    asked: Conversion, format: Format, columns: Columns, loses: dict[str, int]
) -> Outcome:
    from trueline.files.write import table
    from trueline.records.types import Example

    stream, count, written = _Stream(asked), 0, 0
    # the rejects appear first: what is there without them would look whole
    with table(asked.out, columns) as add, _Rejects(asked.out, stream.rejects) as rejects:
        async for item in stream:
            rows = format.rows(item) if isinstance(item, Example) else item
            if isinstance(rows, list):
                for row in rows:
                    add(row)
                count += 1
                written += len(rows)
            else:
                rejects.add(rows)
    return stream.outcome(asked, count, loses=loses, rows=written)


async def _write_ours(asked: Conversion) -> Outcome:
    from trueline.records.store import jsonl, validate
    from trueline.records.types import Example

    stream, count = _Stream(asked), 0
    with jsonl.appending(asked.out) as add, _Rejects(asked.out, stream.rejects) as rejects:
        async for item in stream:
            if not isinstance(item, Example):
                rejects.add(item)
            elif (reason := validate.why_invalid(item)) is not None:
                rejects.add(validate.new_reject("write", reason, item))
            else:
                add(item)
                count += 1
    return stream.outcome(asked, count)


def beside(out: Path) -> Path:
    """Where the rejects of a file go."""
    return out.with_name(f"{out.name}.rejects.jsonl")


class _Rejects:
    """Rejects into OUT.rejects.jsonl, a file that exists only where there are any."""

    def __init__(self, out: Path, counts: Counter[str]) -> None:
        self.path, self.counts = beside(out), counts

    def __enter__(self) -> _Rejects:
        from trueline.files.atomic import AtomicFile

        self.fresh = AtomicFile(self.path)
        return self

    def add(self, found: Any) -> None:
        from trueline.records.store import jsonl, validate

        self.fresh.file.write(jsonl.encode(validate.storable_reject(found)))
        self.counts[found.reason] += 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None and self.counts:
            self.fresh.commit()
        else:
            self.fresh.discard()


def _unfinished(asked: Conversion) -> bool:
    from trueline.records.store import dataset

    return asked.source.is_dir() and dataset.manifest(asked.source).state != "complete"


def _digest(source: Path) -> str:
    """What the input is: a folder by its manifest, which holds the hashes of its shards."""
    path = source / "manifest.json" if source.is_dir() else source
    try:
        return hash_file(path)
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from error
