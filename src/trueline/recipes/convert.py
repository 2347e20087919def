"""Data of other tools into ours and back, streamed; nothing is overwritten, and no row is lost.

The nouns: `Options` say what is converted and how, a `Conversion` what came of it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trueline.files.atomic import AtomicFile, os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.files.lines import check_regular_file
from trueline.files.write import Columns, is_parquet, table, writable
from trueline.formats.contract import Format
from trueline.formats.load import load
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format, parse_mapping
from trueline.policy.depend import drop_implied_answers
from trueline.policy.types import Policy
from trueline.policy.values import derive_preference, preference_rule
from trueline.recipes.filters.texts import Boilerplate, blank, decontaminate
from trueline.records.store import dataset, jsonl, validate
from trueline.records.store.manifest import read_manifest
from trueline.records.types import Example, Reject, Source, Unscored, with_labels, with_tags
from trueline.runs.options import (
    ARGUMENT,
    NO_IDENTITY,
    Count,
    Output,
    PolicyFile,
    check_options,
    decisive,
    settings,
)
from trueline.runs.run import consistent, identity, run
from trueline.runs.stream import Item, Stage, Stop, source, through
from trueline.runs.sync import wait

OURS = (".jsonl", ".jsonl.gz")
OUTSIDE = (".csv", ".tsv", ".json", ".txt", ".parquet", ".ndjson", ".gz")

OnLosses = Callable[[dict[str, int]], None]
"""Is called, before anything is written, with what the format cannot hold, and of how many
Examples."""


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
    losses: dict[str, int]
    boilerplate: tuple[int, int]
    rows: int | None = None
    status: str = "complete"
    unfinished: bool = False

    @property
    def rejected(self) -> int:
        return sum(self.rejects.values())


def convert(options: Options, policy: Policy, on_losses: OnLosses | None = None) -> Conversion:
    """Convert a data set, streamed, into a new folder or file; rejects are written beside it.

    Examples whose labels contradict the `policy` are rejected.  A folder that an interrupted
    conversion left is continued.  Raises InputError if the input is not what it should be, or if
    OUT exists.
    """
    check_options(options)
    for tag in options.tag:
        if not all(tag.partition(":")):
            raise InputError(f"--tag {tag}: write it key:value, as in --tag lang:en")
    if options.from_ is not None and options.from_.startswith("hub:"):
        raise InputError(
            f"--from {options.from_}: data sets are not yet fetched from a hub. Download the file, "
            "give it as IN, and name its format with --from"
        )
    if options.map and "columns" not in (options.from_, options.to):
        raise InputError("--map belongs to --from columns or --to columns")
    check_regular_file(options.source)
    _check_outside(options.source, options.out)
    name = options.out.name
    if options.to is None and not name.endswith(OURS):
        if name.endswith(OUTSIDE):
            raise InputError(
                f"{options.out}: to write a file of this kind, name a format with --to"
            )
        return _to_folder(options, policy)
    if not name:
        raise InputError(f"{options.out} is a folder: with --to, OUT is a new file")
    for path in (options.out, rejects_path(options.out)):
        with os_errors_as_input_errors(path):
            is_taken = path.exists()
        if is_taken:
            raise InputError(f"{path} exists: nothing is overwritten, choose another name")
    if options.to is None:
        return wait(_write_ours(options, policy))
    return wait(_write_format(options, policy, options.to, on_losses))


def _check_outside(source: Path, out: Path) -> None:
    """Raises InputError if the output would lie in the data set that is read."""
    real = Path(os.path.realpath(out))  # resolve() ends in a traceback at a loop of links
    if source.is_dir() and source.resolve() in (real, *real.parents):
        raise InputError(f"{out} lies in {source}: a data set is never changed")


# ---- one pass over the input -----------------------------------------------------------------


class _Pass:
    """One pass over the input, with its own stages and counts."""

    def __init__(self, options: Options, policy: Policy) -> None:
        self.options, self.policy = options, policy
        self.unread: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        mapping = parse_mapping(options.map) if options.from_ == "columns" else None
        self.items = load(options.source, options.from_, mapping, self.unread, policy)
        self.boilerplate = Boilerplate(options.keep_boilerplate)
        self.stages = list(_stages(options, policy, self.boilerplate))

    def __aiter__(self) -> AsyncIterator[Item]:
        return through(source(self.items, Stop()), [*self.stages, consistent(self.policy)])

    def report(self, examples: int, **more: Any) -> Conversion:
        source = self.options.source
        return Conversion(
            str(source),
            str(self.options.out),
            examples,
            dict(self.rejects.most_common()),
            dict(sorted(self.unread.items())),
            more.pop("losses", {}),
            (self.boilerplate.most, self.boilerplate.total),
            unfinished=source.is_dir() and read_manifest(source).state != "complete",
            **more,
        )


def _stages(options: Options, policy: Policy, boilerplate: Boilerplate) -> Iterator[Stage]:
    """What every Example walks through on its way."""
    name, license = options.source.name, options.license

    def mark(example: Example) -> Example:
        if license is not None and (example.source is None or example.source.license is None):
            source = msgspec.structs.replace(example.source or Source(name), license=license)
            example = msgspec.structs.replace(example, source=source)
        return with_tags(example, *options.tag)

    def decide(example: Example) -> Item:
        label = derive_preference(example, preference_rule(options.preference or ""), policy)
        if isinstance(label, Unscored):
            return validate.reject_example("preference", label.reason, example)
        return with_labels(example, label)

    yield Stage("mark", mark)
    if options.from_ is not None:
        yield Stage("blank", blank)
    if options.decontaminate:
        yield decontaminate(options.decontaminate, options.decontaminate_field)
    if options.preference is not None:
        yield Stage("preference", decide)
    yield boilerplate.stage
    if options.from_ is not None:
        yield Stage("implied answers", lambda example: drop_implied_answers(example, policy))


# ---- writing ---------------------------------------------------------------------------------


def _to_folder(options: Options, policy: Policy) -> Conversion:
    stream = _Pass(options, policy)
    named = identity("convert", **decisive(options))
    # a wrong format or column shows at the first row that can be read: before the folder is
    # anyone's
    first = []
    for item in islice(stream.items, 100):
        first.append(item)
        if isinstance(item, Example):
            break
    record = wait(
        run(
            chain(first, stream.items),
            stream.stages,
            options.out,
            command="convert",
            identity=named,
            config=settings(options),
            quiet=options.quiet or options.json,
            policy=policy,
            writer=lambda folder, identity: dataset.Writer(folder),  # labels stay whose they are
        )
    )
    for stage in record.stages:
        stream.rejects.update(stage.rejected)
    return stream.report(record.rows, status=record.status)


async def _write_ours(options: Options, policy: Policy) -> Conversion:
    stream, count = _Pass(options, policy), 0
    with (
        jsonl.appending(options.out) as add,
        _rejects_file(options.out, stream.rejects) as add_reject,
    ):
        async for item in stream:
            if not isinstance(item, Example):
                add_reject(item)
            elif (reason := validate.why_invalid(item)) is not None:
                add_reject(validate.new_reject("write", reason, item))
            else:
                add(item)
                count += 1
    return stream.report(count)


async def _write_format(
    options: Options, policy: Policy, name: str, on_losses: OnLosses | None
) -> Conversion:
    """The Examples as rows of an outside format.  The input is read twice, for the columns of a
    table and what it will lack are known only after the last row."""
    writable(options.out)
    mapping = parse_mapping(options.map) if name == "columns" else None
    format = find_format(name, mapping, policy)
    columns = Columns(arrow=is_parquet(options.out))
    losses = await _survey(_Pass(options, policy), format, columns)
    if losses and on_losses is not None:
        on_losses(losses)
    stream, count, written = _Pass(options, policy), 0, 0
    # the rejects appear first: what is there without them would look whole
    with (
        table(options.out, columns) as add,
        _rejects_file(options.out, stream.rejects) as add_reject,
    ):
        async for item in stream:
            rows = format.write_rows(item) if isinstance(item, Example) else item
            if isinstance(rows, Reject):
                add_reject(rows)
                continue
            for row in rows:
                add(row)
            count += 1
            written += len(rows)
    return stream.report(count, losses=losses, rows=written)


async def _survey(stream: _Pass, format: Format, columns: Columns) -> dict[str, int]:
    """What the format cannot hold, in how many Examples; `columns` see every row."""
    losses: Counter[str] = Counter()
    async for item in stream:
        rows = format.write_rows(item) if isinstance(item, Example) else item
        if isinstance(item, Example) and isinstance(rows, list):
            losses.update(find_losses(format, item, rows))
            for row in rows:
                columns.see(row)
    return dict(losses.most_common())


def rejects_path(out: Path) -> Path:
    """Where the rejects of a file go."""
    return out.with_name(f"{out.name}.rejects.jsonl")


@contextmanager
def _rejects_file(out: Path, counts: Counter[str]) -> Iterator[Callable[[Reject], None]]:
    """A function that adds a Reject to OUT.rejects.jsonl, a file that exists only if there are
    any, and counts it by its reason."""
    file = AtomicFile(rejects_path(out))

    def add(reject: Reject) -> None:
        file.file.write(jsonl.encode(validate.storable_reject(reject)))
        counts[reject.reason] += 1

    try:
        yield add
    except BaseException:
        file.discard()
        raise
    if counts:
        file.commit()
    else:
        file.discard()
