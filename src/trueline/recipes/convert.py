"""Data of other tools into ours and back, streamed; nothing is overwritten, and no row is lost.

`convert` takes `Options` and gives a `Conversion` (`recipes.conversion`); a folder, and a file too,
comes with the record of its run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from trueline.files.atomic import AtomicFile, os_errors_as_input_errors
from trueline.files.errors import InputError
from trueline.files.lines import check_regular_file
from trueline.files.write import Columns, is_parquet, needs_columns, table, writable
from trueline.formats.contract import Format
from trueline.formats.losses import find_losses
from trueline.formats.registry import find_format, mapping_for
from trueline.policy.types import Policy
from trueline.recipes.conversion import Conversion, Options, Pass
from trueline.records.store import dataset, jsonl, validate
from trueline.records.types import Example, Reject
from trueline.runs.context import RunContext
from trueline.runs.options import check_options
from trueline.runs.record import now, record_path, write_record
from trueline.runs.spec import specify_run
from trueline.runs.stage import Rejected
from trueline.runs.sync import run_sync
from trueline.runs.write import POLICY, Counts, stored_reject, write_run

OURS = (".jsonl", ".jsonl.gz")
OUTSIDE = (".csv", ".tsv", ".json", ".txt", ".parquet", ".ndjson", ".gz")
WRITE = "write"
"""The stage that rejects what the output cannot hold."""

OnLosses = Callable[[dict[str, int]], None]
"""Is called, before the output appears, with what the format cannot hold, and of how many
Examples."""


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
    if options.map and not (
        mapping_for(options.from_, options.map) or mapping_for(options.to, options.map)
    ):
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
    for path in (options.out, rejects_path(options.out), record_path(options.out)):
        with os_errors_as_input_errors(path):
            is_taken = path.exists()
        if is_taken:
            raise InputError(f"{path} exists: nothing is overwritten, choose another name")
    return run_sync(_to_file(options, policy, on_losses))


def _check_outside(source: Path, out: Path) -> None:
    """Raises InputError if the output would lie in the data set that is read."""
    real = Path(os.path.realpath(out))  # resolve() ends in a traceback at a loop of links
    if source.is_dir() and source.resolve() in (real, *real.parents):
        raise InputError(f"{out} lies in {source}: a data set is never changed")


# ---- into a folder ---------------------------------------------------------------------------


def _to_folder(options: Options, policy: Policy) -> Conversion:
    stream = Pass(options, policy)
    context = RunContext(policy)
    spec = specify_run("convert", options, context.inputs())
    # a wrong format or column shows at the first row that can be read: before the folder is
    # anyone's
    first = []
    for item in islice(stream.items, 100):
        first.append(item)
        if isinstance(item, Example):
            break
    record = run_sync(
        write_run(
            chain(first, stream.items),
            stream.stages,
            options.out,
            spec,
            context,
            observe=stream.observe,
            quiet=options.quiet or options.json,
            writer=lambda folder, identity: dataset.Writer(folder),  # labels stay whose they are
        )
    )
    return stream.report(record.rows, record.stages, status=record.status)


# ---- into a file -----------------------------------------------------------------------------


async def _to_file(options: Options, policy: Policy, on_losses: OnLosses | None) -> Conversion:
    started = now()
    if options.to is None:
        stream, counts = await _write_ours(options, policy)
        more: dict[str, Any] = {}
    else:
        stream, counts, more = await _write_format(options, policy, on_losses)
    spec = specify_run("convert", options, RunContext(policy).inputs())
    stages = counts.stages()
    record = spec.record(
        started=started,
        rows=counts.passed,
        rejects=sum(sum(stage.rejected.values()) for stage in stages),
        stages=stages,
    )
    write_record(record, options.out)
    return stream.report(counts.passed, stages, **more)


async def _write_ours(options: Options, policy: Policy) -> tuple[Pass, Counts]:
    with jsonl.appending(options.out) as add, _rejects_file(options.out) as add_reject:

        def write(example: Example) -> str | None:
            if (reason := validate.why_invalid(example)) is None:
                add(example)
            return reason

        return await _write_all(Pass(options, policy), write, add_reject)


async def _write_format(
    options: Options, policy: Policy, on_losses: OnLosses | None
) -> tuple[Pass, Counts, dict[str, Any]]:
    """The Examples as rows of an outside format, with its losses and the number of rows.

    For a table with columns the input is read twice: they are known only after the last row.
    """
    writable(options.out)
    format = find_format(options.to or "", mapping_for(options.to, options.map), policy)
    columns, losses, written = Columns(arrow=is_parquet(options.out)), Counter[str](), 0
    is_surveyed = needs_columns(options.out)
    if is_surveyed:
        losses = await _survey(Pass(options, policy), format, columns)
        _say_losses(losses, on_losses)
    # the rejects appear first: what is there without them would look whole
    with table(options.out, columns) as add, _rejects_file(options.out) as add_reject:

        def write(example: Example) -> str | None:
            nonlocal written
            rows = format.write_rows(example)
            if isinstance(rows, Reject):
                return rows.message
            if not is_surveyed:
                losses.update(find_losses(format, example, rows))
            for row in rows:
                add(row)
            written += len(rows)
            return None

        stream, counts = await _write_all(Pass(options, policy), write, add_reject)
        if not is_surveyed:
            _say_losses(losses, on_losses)
    return stream, counts, {"losses": dict(losses.most_common()), "rows": written}


def _say_losses(losses: Counter[str], on_losses: OnLosses | None) -> None:
    if losses and on_losses is not None:
        on_losses(dict(losses.most_common()))


async def _survey(stream: Pass, format: Format, columns: Columns) -> Counter[str]:
    """What the format cannot hold, in how many Examples; `columns` see every row."""
    losses: Counter[str] = Counter()
    async for item in stream.stream():
        rows = format.write_rows(item) if isinstance(item, Example) else None
        if isinstance(item, Example) and isinstance(rows, list):
            losses.update(find_losses(format, item, rows))
            for row in rows:
                columns.see(row)
    return losses


async def _write_all(
    stream: Pass, write: Callable[[Example], str | None], add_reject: Callable[[Reject], None]
) -> tuple[Pass, Counts]:
    """Every Example to `write`, which says why it cannot; the rest to `add_reject`."""
    counts = Counts([*(stage.name for stage in stream.stages), POLICY, WRITE])
    async for item in stream.stream():
        if isinstance(item, Example) and (message := write(item)) is not None:
            reason, _, detail = message.partition(": ")
            item = Rejected(item, reason, detail, stage=WRITE)
        counts.add(item)
        if not isinstance(item, Example):
            add_reject(stored_reject(item) if isinstance(item, Rejected) else item)
    return stream, counts


def rejects_path(out: Path) -> Path:
    """Where the rejects of a file go."""
    return out.with_name(f"{out.name}.rejects.jsonl")


@contextmanager
def _rejects_file(out: Path) -> Iterator[Callable[[Reject], None]]:
    """A function that adds a Reject to OUT.rejects.jsonl, a file that exists only if there are
    any."""
    rejects, is_empty = AtomicFile(rejects_path(out)), True

    def add(reject: Reject) -> None:
        nonlocal is_empty
        rejects.file.write(jsonl.encode(validate.storable_reject(reject)))
        is_empty = False

    try:
        yield add
    except BaseException:
        rejects.discard()
        raise
    if is_empty:
        rejects.discard()
    else:
        rejects.commit()
