"""The rows of a benchmark's data: from a folder, the package or the hub, held to their hash.

If a hash or a revision is not stated yet, both are pinned at the first fetch, in a file in the
working folder; a later run that meets other data stops.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from trueline.evaluate.benchmarks.benchmark import Benchmark, CrossJoin, DataSource
from trueline.files.atomic import atomic_write
from trueline.files.csv_rows import read_table
from trueline.files.errors import InputError
from trueline.files.lines import open_file
from trueline.files.rows import Row, rows
from trueline.files.text import BadRow

PINS = Path(".trueline/pins.json")


class MissingData(InputError):
    """The data are not here: no folder holds them and the hub cannot be reached."""


class Pin(Struct, frozen=True):
    """The first fetch: the revision of a hub repository, and the hash of a file."""

    sha256: str
    revision: str | None = None


class DataFile(NamedTuple):
    """A file of a benchmark.

    `name` is what it is pinned by, `origin` where it is from, `pinned` whether its hash was known
    before.
    """

    name: str
    source: DataSource
    path: Path
    origin: str
    sha256: str
    pinned: bool
    revision: str | None = None


def find_data(
    benchmark: Benchmark, folder: Path | None, pins: Path = PINS, *, fetch: bool = True
) -> DataFile:
    """The benchmark's data: in the folder if it has them, else, with `fetch`, from the hub.

    Raises MissingData if they are nowhere, and InputError if they are not the pinned ones.
    """
    name, source = benchmark.name, benchmark.file
    if source is not None:
        if source.bundled:
            root = resources.files("trueline").joinpath(source.path)
            with resources.as_file(root) as path:  # the package's version pins it
                sha256 = _hash_sha256(name, path)
                return DataFile(name, source, path, f"trueline/{source.path}", sha256, True)
        path = (folder or Path()) / source.path
        if folder is not None and path.is_file():
            return _check_hash(name, source, path, source.path, None, pins)
    if benchmark.hub is None or not fetch:
        where = f"{folder} has no {source.path}" if folder and source else "no --data was given"
        raise MissingData(f"{name}: its items are in a file, and {where}")
    return _fetch(name, benchmark.hub, pins)


def find_crossed(
    benchmark: Benchmark, cross: CrossJoin, folder: Path | None, pins: Path = PINS
) -> DataFile:
    """The second file of a benchmark that crosses two."""
    path = (folder or Path()) / cross.path
    if folder is None or not path.is_file():
        where = folder or "any folder: give --data"
        raise MissingData(f"{benchmark.name}: {cross.path} is not in {where}")
    source = DataSource(cross.path, sha256=cross.sha256, nest=cross.nest)
    return _check_hash(f"{benchmark.name}/{cross.path}", source, path, cross.path, None, pins)


def _fetch(name: str, source: DataSource, pins: Path) -> DataFile:
    pin = _read_pins(pins).get(name)
    revision = source.revision or (pin.revision if pin else None)
    assert source.repo is not None
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError:
        raise MissingData(f"{name}: hub data need an extra: pip install 'trueline[hub]'") from None
    try:
        if revision is None:
            revision = HfApi().dataset_info(source.repo).sha
        path = Path(
            hf_hub_download(source.repo, source.path, repo_type="dataset", revision=revision)
        )
    except Exception as error:
        why = type(error).__name__
        raise MissingData(f"{name}: hub:{source.repo} cannot be fetched ({why})") from error
    return _check_hash(name, source, path, f"hub:{source.repo}@{revision}", revision, pins)


def _check_hash(
    name: str, source: DataSource, path: Path, origin: str, revision: str | None, pins: Path
) -> DataFile:
    """The file, if it is the one that was pinned or none was."""
    sha256 = _hash_sha256(name, path)
    pin = _read_pins(pins).get(name)
    if source.sha256 is not None and source.sha256 != sha256:
        raise InputError(
            f"{name}: {path} is not the file that this benchmark was written for: its sha256 is "
            f"{sha256}, not {source.sha256}. Get that file again, or make a benchmark of your own "
            "that names the new one"
        )
    if source.sha256 is None and pin is not None and pin.sha256 != sha256:
        raise InputError(
            f"{name}: {path} has changed since it was first used: its sha256 is {sha256}, and "
            f"{pins} says {pin.sha256}. Results of the two cannot be compared; take the entry "
            "out of that file to begin anew"
        )
    pinned = source.sha256 is not None or pin is not None
    return DataFile(name, source, path, origin, sha256, pinned, revision)


def pin_hash(file: DataFile, pins: Path = PINS) -> None:
    """Keep the hash of a file that was not known, once it has turned out to hold items."""
    if file.pinned:
        return
    pins.parent.mkdir(parents=True, exist_ok=True)
    kept = _read_pins(pins) | {file.name: Pin(file.sha256, file.revision)}
    with atomic_write(pins) as out:
        out.write(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")


def _hash_sha256(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{name}: {path} cannot be read: {error.strerror or error}") from error


def _read_pins(path: Path) -> dict[str, Pin]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path}, which holds hashes of data, cannot be read: {error}") from error


# ---- rows ------------------------------------------------------------------------------------


def read_rows(file: DataFile) -> Iterator[Row | BadRow]:
    """The rows of a file as its source says."""
    source, path = file.source, file.path
    if source.members is not None:
        yield from _read_members(path, source.members, source.columns)
    elif source.nest or source.at is not None:
        yield from _read_nested(path, source)
    elif source.columns:
        delimiter = "\t" if ".tsv" in path.suffixes else ","
        with open_file(path) as opened:
            for row in read_table(path, opened, delimiter, source.columns):
                yield row if isinstance(row, BadRow) else Row(path, *row)
    else:
        yield from rows(path, ".jsonl" if source.lines else None)


def _read_members(path: Path, pattern: str, columns: tuple[str, ...]) -> Iterator[Row | BadRow]:
    """Rows of the archive's CSV files, with the file's name without its ending as `member`."""
    number = 0
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if fnmatch(n, pattern))
            if not names:
                raise InputError(f"{path} holds no file named {pattern}")
            for name in names:
                with archive.open(name) as member:
                    for row in read_table(path, member, ",", columns, first=number + 1):
                        if isinstance(row, BadRow):
                            number = row.number
                            yield row
                        else:
                            number, fields = row
                            yield Row(path, number, fields | {"member": Path(name).stem})
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is no whole zip archive: {error}") from error


def _read_nested(path: Path, source: DataSource) -> Iterator[Row]:
    """Rows that lie in nested objects: each leaf, with the names of the levels above it."""
    try:
        with open_file(path) as file:
            document = json.load(file)
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path} is no JSON document: {error}") from error
    if source.at is not None:
        if not isinstance(document, dict) or source.at not in document:
            raise InputError(f"{path} has no part {source.at!r}")
        document = document[source.at]
    for number, fields in enumerate(_leaves(document, list(source.nest), {}), 1):
        yield Row(path, number, fields)


def _leaves(value: Any, names: list[str], above: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each, names, above)
    elif isinstance(value, dict) and len(names) > 1:
        for key, each in value.items():
            yield from _leaves(each, names[1:], above | {names[0]: key})
    elif isinstance(value, dict):
        yield above | value
    else:
        yield above | {names[0] if names else "text": value}
