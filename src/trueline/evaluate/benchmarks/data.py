"""The rows of a benchmark's data: from a folder, the package or the hub, held to their hash.

Where a hash or a revision is not stated yet, both are pinned at the first fetch, in a file in the
working folder; a later run that meets other data stops.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from trueline.evaluate.benchmarks.benchmark import Benchmark, Cross, Place
from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.files.lines import open_file
from trueline.files.rows import Row, rows
from trueline.files.text import BadRow, bad_row

PINS = Path(".trueline/pins.json")


class Absent(InputError):
    """The data are not here: no folder holds them and the hub cannot be reached."""


class Pin(Struct, frozen=True):
    """What was fetched first: the revision of a hub repository, and the hash of a file."""

    sha256: str
    revision: str | None = None


class Found(NamedTuple):
    """A file of a benchmark: where it lies, where it is from, its hash, and whether that hash was
    known before; `name` is what it is pinned by."""

    name: str
    place: Place
    path: Path
    source: str
    sha256: str
    pinned: bool
    revision: str | None = None


def find(one: Benchmark, folder: Path | None, pins: Path = PINS, *, fetch: bool = True) -> Found:
    """The benchmark's data: in the folder where it has them, else, with `fetch`, from the hub.

    Raises Absent where they are nowhere, and InputError where they are not what was pinned.
    """
    place = one.file
    if place is not None:
        if place.bundled:
            root = resources.files("trueline").joinpath(place.path)
            with resources.as_file(root) as path:  # the package's version pins it
                found = _sha256(one.name, path)
                return Found(one.name, place, path, f"trueline/{place.path}", found, True)
        path = (folder or Path()) / place.path
        if folder is not None and path.is_file():
            return _held(one.name, place, path, place.path, None, pins)
    if one.hub is None or not fetch:
        where = f"{folder} has no {place.path}" if folder and place else "no --data was given"
        raise Absent(f"{one.name}: its items are in a file, and {where}")
    return _fetched(one.name, one.hub, pins)


def crossed(one: Benchmark, cross: Cross, folder: Path | None, pins: Path = PINS) -> Found:
    """The second file of a benchmark that crosses two."""
    path = (folder or Path()) / cross.path
    if folder is None or not path.is_file():
        raise Absent(f"{one.name}: {cross.path} is not in {folder or 'any folder: give --data'}")
    place = Place(cross.path, sha256=cross.sha256, nest=cross.nest)
    return _held(f"{one.name}/{cross.path}", place, path, cross.path, None, pins)


def _fetched(name: str, place: Place, pins: Path) -> Found:
    known = _pins(pins).get(name)
    revision = place.revision or (known.revision if known else None)
    assert place.repo is not None
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError:
        raise Absent(f"{name}: hub data need an extra: pip install 'trueline[hub]'") from None
    try:
        if revision is None:
            revision = HfApi().dataset_info(place.repo).sha
        path = Path(hf_hub_download(place.repo, place.path, repo_type="dataset", revision=revision))
    except Exception as error:
        why = type(error).__name__
        raise Absent(f"{name}: hub:{place.repo} cannot be fetched ({why})") from error
    return _held(name, place, path, f"hub:{place.repo}@{revision}", revision, pins)


def _held(
    name: str, place: Place, path: Path, source: str, revision: str | None, pins: Path
) -> Found:
    """The file, if it is the one that was pinned or none was."""
    found = _sha256(name, path)
    earlier = _pins(pins).get(name)
    if place.sha256 is not None and place.sha256 != found:
        raise InputError(
            f"{name}: {path} is not the file that this benchmark was written for: its sha256 is "
            f"{found}, not {place.sha256}. Get that file again, or make a benchmark of your own "
            "that names the new one"
        )
    if place.sha256 is None and earlier is not None and earlier.sha256 != found:
        raise InputError(
            f"{name}: {path} has changed since it was first used: its sha256 is {found}, and "
            f"{pins} says {earlier.sha256}. Results of the two cannot be compared; take the entry "
            "out of that file to begin anew"
        )
    known = place.sha256 is not None or earlier is not None
    return Found(name, place, path, source, found, known, revision)


def pin(found: Found, pins: Path = PINS) -> None:
    """Keep the hash of a file that was not known, once it has turned out to hold items."""
    if found.pinned:
        return
    pins.parent.mkdir(parents=True, exist_ok=True)
    kept = _pins(pins) | {found.name: Pin(found.sha256, found.revision)}
    with atomic_write(pins) as file:
        file.write(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")


def _sha256(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{name}: {path} cannot be read: {error.strerror or error}") from error


def _pins(path: Path) -> dict[str, Pin]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path}, which holds hashes of data, cannot be read: {error}") from error


# ---- rows ------------------------------------------------------------------------------------


def read(found: Found) -> Iterator[Row | BadRow]:
    """The rows of a file as its place says."""
    place = found.place
    if place.members is not None:
        yield from _members(found, place.members)
    elif place.nest or place.at is not None:
        yield from _nested(found)
    elif place.columns:
        with open_file(found.path) as file:
            yield from _headless(found, io.TextIOWrapper(file, encoding="utf-8"), {}, 0)
    else:
        yield from rows(found.path, ".jsonl" if place.lines else None)


def _members(found: Found, pattern: str) -> Iterator[Row | BadRow]:
    """Rows of the archive's CSV files, with the file's name without its ending as `member`."""
    number = 0
    try:
        with zipfile.ZipFile(found.path) as archive:
            names = sorted(n for n in archive.namelist() if fnmatch(n, pattern))
            if not names:
                raise InputError(f"{found.path} holds no file named {pattern}")
            for name in names:
                with archive.open(name) as file:
                    text = io.TextIOWrapper(file, encoding="utf-8")
                    for row in _headless(found, text, {"member": Path(name).stem}, number):
                        yield row
                        number += 1
    except zipfile.BadZipFile as error:
        raise InputError(f"{found.path} is no whole zip archive: {error}") from error


def _headless(
    found: Found, file: io.TextIOWrapper, further: dict[str, Any], before: int
) -> Iterator[Row | BadRow]:
    names = found.place.columns
    number = before
    try:
        for record in _records(found.path, file):
            number += 1
            if len(record) != len(names):
                fault = f"malformed: {len(record)} fields, not the {len(names)} that are expected"
                yield bad_row(fault, ",".join(record), found.path, number)
            else:
                fields = dict(zip(names, record, strict=True))
                yield Row(found.path, number, fields | further)
    except (csv.Error, UnicodeDecodeError) as error:
        yield bad_row(f"malformed: {error}", "", found.path, number + 1)


def _records(path: Path, file: io.TextIOWrapper) -> Iterator[list[str]]:
    """The records of a CSV file or, with its signs as they stand, of a TSV file."""
    if ".tsv" in path.suffixes:
        return csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    return csv.reader(file, strict=True)


def _nested(found: Found) -> Iterator[Row]:
    """Rows that lie in nested objects: each leaf, with the names of the levels above it."""
    try:
        with open_file(found.path) as file:
            whole = json.load(file)
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{found.path} is no JSON document: {error}") from error
    if found.place.at is not None:
        if not isinstance(whole, dict) or found.place.at not in whole:
            raise InputError(f"{found.path} has no part {found.place.at!r}")
        whole = whole[found.place.at]
    for number, fields in enumerate(_leaves(whole, list(found.place.nest), {}), 1):
        yield Row(found.path, number, fields)


def _leaves(value: Any, names: list[str], above: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one, names, above)
    elif isinstance(value, dict) and len(names) > 1:
        for key, one in value.items():
            yield from _leaves(one, names[1:], above | {names[0]: key})
    elif isinstance(value, dict):
        yield above | value
    else:
        yield above | {names[0] if names else "text": value}
