"""Options: groups of fields that verbs, recipes and training methods combine by inheritance.

    @dataclass(frozen=True, kw_only=True)
    class Options(DataSet, PolicyFile, Caps, Output):
        '''Options of `trueline label`.'''

        by: Annotated[str, Meta(description="Labeller: …")]

A field says all that anybody must know of it: its type with limits (`Meta(gt=0)`), its help text
(`description`), whether it is the command's argument (`extra=ARGUMENT`), and, if no answer depends
on it, that it is not part of a run's identity (`extra=NO_IDENTITY`).
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trueline.files.errors import InputError
from trueline.files.hashing import hash_file
from trueline.ledger import prices
from trueline.ledger.budget import Budget
from trueline.models.open import without_key
from trueline.records.store.manifest import MANIFEST

ARGUMENT = {"argument": True}
"""Mark of the field that a command takes without its name."""
NO_IDENTITY = {"identity": False}
"""Mark of a field that bounds a run, places it or shows it, and changes no answer."""

Count = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
HashPath = Callable[[Path], str]
NotNegativeInt = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]


# ---- groups ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where results go, and what is shown on the way."""

    out: Annotated[Path, Meta(description="Folder for the results.", extra=NO_IDENTITY)]
    json: Annotated[bool, Meta(description="Print the report as JSON.", extra=NO_IDENTITY)] = False
    quiet: Annotated[bool, Meta(description="No progress on stderr.", extra=NO_IDENTITY)] = False


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Where model calls are recorded, how many may be sent, and how."""

    ledger: Annotated[
        Path, Meta(description="Ledger file that records every model call.", extra=NO_IDENTITY)
    ] = Path(".trueline/ledger.sqlite")
    max_calls: Annotated[
        NotNegativeInt | None,
        Meta(description="Send at most N calls (default: no cap).", extra=NO_IDENTITY),
    ] = None
    max_tokens: Annotated[
        NotNegativeInt | None,
        Meta(
            description="Spend at most N tokens, prompts and completions (default: no cap).",
            extra=NO_IDENTITY,
        ),
    ] = None
    max_money: Annotated[
        NotNegative | None,
        Meta(
            description="Spend at most this much, in the currency of --prices (default: no cap).",
            extra=NO_IDENTITY,
        ),
    ] = None
    prices: Annotated[
        Path | None,
        Meta(
            description='TOML file with input and output prices per million tokens, by model ("*": '
            "all others).",
            extra=NO_IDENTITY,
        ),
    ] = None
    concurrency: Annotated[
        Count, Meta(description="Upper bound on concurrent calls.", extra=NO_IDENTITY)
    ] = 64
    timeout: Annotated[
        Seconds,
        Meta(description="Seconds until a request to an endpoint is given up.", extra=NO_IDENTITY),
    ] = 600.0
    hedge_after: Annotated[
        Seconds | None,
        Meta(
            description="Send a request a second time if it has no answer after this many seconds "
            "(default: never).",
            extra=NO_IDENTITY,
        ),
    ] = None
    dry_run: Annotated[
        bool,
        Meta(description="Print upper bounds on calls and tokens; send none.", extra=NO_IDENTITY),
    ] = False

    def budget(self) -> Budget:
        """The caps and prices.  Raises InputError if the prices cannot be read."""
        by_model = {} if self.prices is None else prices.load(self.prices)
        return Budget(self.max_calls, self.max_tokens, self.max_money, by_model)


@dataclass(frozen=True, kw_only=True)
class RunOptions(Output, Caps):
    """Options of every run with models."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How much of the input is read."""

    limit: Annotated[
        Count | None,
        Meta(description="Read at most N rows of the input (default: all).", extra=NO_IDENTITY),
    ] = None


@dataclass(frozen=True, kw_only=True)
class DataSet(Limit):
    """A data set of Examples as the input."""

    data: Annotated[
        Path, Meta(description="Data set: a folder, .jsonl or .parquet.", extra=ARGUMENT)
    ]


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """Whose questions are asked."""

    policy: Annotated[
        Path | None, Meta(description="Policy file (default: trueline's own policy).")
    ] = None


# ---- what the fields say ---------------------------------------------------------------------


class OptionField(Struct, frozen=True):
    """One option: `kind` is its type without limits; `default` is MISSING if it is required."""

    name: str
    kind: Any
    help: str
    default: Any
    is_argument: bool
    is_identity: bool

    @property
    def flag(self) -> str:
        return option_flag(self.name)

    @property
    def required(self) -> bool:
        return self.default is MISSING


def option_flag(name: str) -> str:
    """The option as it is typed; a field named like a keyword of Python's ends with `_`."""
    return "--" + name.rstrip("_").replace("_", "-")


def option_fields(options: Any) -> tuple[OptionField, ...]:
    """The fields of an options class: its own first, then those of its groups as they are named."""
    return _option_fields(options)


@cache  # type hints are strings, compiled each time that they are asked for
def _option_fields(options: Any) -> tuple[OptionField, ...]:
    fields = {field.name: field for field in dataclasses.fields(options)}
    names = [name for group in options.__mro__ for name in inspect.get_annotations(group)]
    kinds = typing.get_type_hints(options)
    hints = typing.get_type_hints(options, include_extras=True)
    return tuple(
        _option_field(fields[name], kinds[name], hints[name])
        for name in dict.fromkeys(names)
        if name in fields
    )


def _option_field(field: dataclasses.Field[Any], kind: Any, hint: Any) -> OptionField:
    notes = [note for note in getattr(hint, "__metadata__", ()) if isinstance(note, Meta)]
    extra = {key: value for note in notes for key, value in (note.extra or {}).items()}
    made = field.default_factory
    return OptionField(
        name=field.name,
        kind=kind,
        help=next((note.description for note in notes if note.description), ""),
        default=field.default if made is MISSING else made(),
        is_argument=bool(extra.get("argument")),
        is_identity=bool(extra.get("identity", True)),
    )


def check_options(options: Any) -> None:
    """Raises InputError, naming the option, if a value is beyond its field's limits."""
    try:
        msgspec.convert(dict(_values(options)), type(options))
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        name = re.split(r"[`.\[]", place)[0]
        raise InputError(
            f"{option_flag(name)} {getattr(options, name)}: {reason[:1].lower()}{reason[1:]}"
        ) from error


def settings(options: Any) -> dict[str, Any]:
    """The options as plain data, to be stored and shown; keys in model names are left out."""
    return {name: _plain(value) for name, value in _values(options)}


def decisive(options: Any, hash_path: HashPath | None = None) -> dict[str, Any]:
    """The options on which the outcome depends, as plain data.

    A file stands with its name and its content's hash, so that an edited file makes another run;
    `hash_path` may remember the hashes, so that a file is read once (default: `file_digest`).
    """
    names = {field.name for field in option_fields(type(options)) if field.is_identity}
    hash_path = hash_path or file_digest
    return {name: _hashed(value, hash_path) for name, value in _values(options) if name in names}


def _values(options: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(options):
        yield field.name, getattr(options, field.name)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    value = msgspec.to_builtins(value, enc_hook=str)
    return without_key(value) if isinstance(value, str) else value


def _hashed(value: Any, hash_path: HashPath) -> Any:
    if isinstance(value, Path):
        return [value.name, hash_path(value)]
    if isinstance(value, tuple):
        return [_hashed(item, hash_path) for item in value]
    return _plain(value)


def file_digest(path: Path) -> str:
    """blake2b-128 of a file's bytes; of a data set, of its manifest, which lists its shards.

    Raises InputError if the file cannot be read.
    """
    path = path / MANIFEST if path.is_dir() else path
    try:
        return hash_file(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
