"""The run record: what a run was, what it was made of, and what came of it (`run.json`)."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import trueline
from trueline.files import plugins
from trueline.files.atomic import atomic_write
from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.ledger.summary import Spend
from trueline.records.store.claim import RECORD as RECORD
from trueline.runs.options import HashPath, file_digest, option_fields, option_flag, settings

READ = "read"
"""Pseudo-stage that counts input rows that could not be parsed."""


class Input(Struct, frozen=True):
    """One thing that a run was made of.

    `path` is a path or a name, `kind` what it is ("file", "data set", "policy", "expert model",
    "labeller", "code labeller", …), `hash` its content, and `run` the identity of the run that made
    it, if it has a run record: these links are the lineage.
    """

    path: str
    kind: str
    hash: str
    run: str | None = None


class StageCount(Struct, frozen=True):
    """How many Examples a stage saw and passed, and how many it rejected, by reason."""

    name: str
    seen: int
    passed: int
    rejected: dict[str, int]


class RunRecord(Struct, frozen=True):
    """What a run was and what came of it; stored as `run.json` in its folder.

    `argv` are the words of its command line, `settings` its options.  `status` is "complete",
    "retryable" (calls failed for now), "interrupted", "budget" or "failed"; all but the first can
    be continued by the same command.  `rows` came out, `rejects` did not; `stages` begin with READ
    if there were rows that could not be parsed; times are UTC.
    """

    command: str
    argv: tuple[str, ...]
    identity: str
    settings: dict[str, Any]
    inputs: tuple[Input, ...]
    versions: dict[str, str]
    status: str
    note: str | None
    rows: int
    rejects: int
    stages: list[StageCount]
    spend: list[Spend]
    started: str
    finished: str

    @property
    def complete(self) -> bool:
        return self.status == "complete"

    @property
    def unreadable(self) -> int:
        """Rows that could not be parsed; if a file breaks off, one stands for all after it."""
        return sum(sum(s.rejected.values()) for s in self.stages if s.name == READ)

    @property
    def command_line(self) -> str:
        """What to type to run it again."""
        return shlex.join(self.argv)


def record_path(out: Path) -> Path:
    """Where the record of a run lies: in its folder, or beside its file."""
    return out / RECORD if out.is_dir() else out.with_name(f"{out.name}.{RECORD}")


def write_record(record: RunRecord, out: Path) -> None:
    """Write the record of the run that made a folder or a file."""
    with atomic_write(record_path(out)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_record(out: Path) -> RunRecord:
    """The record of the run that made a folder or a file.  Raises InputError if there is none."""
    path = record_path(out)
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunRecord)
    except OSError:
        raise InputError(f"{out} has no record ({path.name}): no run made it") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error})") from error


def run_identity(command: str, decisive: Mapping[str, Any]) -> str:
    """A run's identity: equal exactly if what both do gives the same answers; a `limit` may leave
    one of them with fewer."""
    return digest([command, trueline.__version__, decisive])


def file_inputs(options: Any, hash_path: HashPath = file_digest) -> tuple[Input, ...]:
    """The files and data sets that an options object names, of those that decide the outcome, and
    the plug-in files."""
    inputs: list[Input] = []
    for field in option_fields(type(options)):
        value = getattr(options, field.name)
        paths = value if isinstance(value, tuple) else (value,)
        if field.is_identity:
            inputs += [path_input(path, "", hash_path) for path in paths if isinstance(path, Path)]
    inputs += [path_input(path, "plug-in") for path in plugins.file_paths()]
    return tuple(inputs)


def path_input(path: Path, kind: str = "", hash_path: HashPath = file_digest) -> Input:
    """A file or a data set as an input, with the identity of the run that made it."""
    kind = kind or ("data set" if path.is_dir() else "file")
    return Input(str(path), kind, hash_path(path), made_by(path))


def made_by(out: Path) -> str | None:
    """The identity of the run that made a folder or a file, None if it has no run record."""
    try:
        record = msgspec.json.decode(record_path(out).read_bytes(), type=_Identity)
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return record.identity


class _Identity(Struct):
    identity: str


def command_words(command: str, options: Any) -> tuple[str, ...]:
    """The command line of these options: those that are not at their default."""
    files = [word for path in plugins.file_paths() for word in ("--plugin", str(path))]
    start, plain = ["trueline", *files, *command.split()], settings(options)
    words, arguments = list[str](), list[str]()
    for field in option_fields(type(options)):
        value = plain[field.name]
        if not field.required and getattr(options, field.name) == field.default:
            continue
        if field.is_argument:
            arguments.append(str(value))
        else:
            words += option_words(field.name, value)
    return (*start, *arguments, *words)


def option_words(name: str, value: Any) -> list[str]:
    """One option as it is typed; a list repeats it, None leaves it out."""
    flag = option_flag(name)
    if value is None:
        return []
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    if isinstance(value, (list, tuple)):
        return [word for item in value for word in (flag, str(item))]
    return [flag, str(value)]


def versions() -> dict[str, str]:
    """Versions of what the outcome may depend on, if installed."""
    packages = {"trueline": trueline.__version__, "python": platform.python_version()}
    for name in ("torch", "transformers", "trl", "peft", "pyarrow", "rensa"):
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return packages


def now() -> str:
    """The time in UTC, to the second, as records carry it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
