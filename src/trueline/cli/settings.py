"""Settings files: `trueline VERB @run.toml` has options as `option_name = value`."""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from trueline.files.errors import InputError
from trueline.files.lines import read_text
from trueline.runs.options import option_fields


def read_settings(path: Path, options: type) -> dict[str, Any]:
    """The settings of a TOML file by the names of the fields of `options`.

    Keys are the options' names, with `_` or `-`; relative paths are relative to the file.  Raises
    InputError, naming file and key, for an unknown key, a value of another type or beyond its
    limits, and for `plugin`: a settings file never loads code.
    """
    try:
        raw = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    fields = {field.flag.removeprefix("--"): field.name for field in option_fields(options)}
    repeatable = {
        field.name for field in option_fields(options) if typing.get_origin(field.kind) is tuple
    }
    hints = typing.get_type_hints(options, include_extras=True)
    settings = {}
    for key, value in raw.items():
        if key == "plugin":
            raise InputError(
                f"{path}: {key}: a settings file loads no code; name the plug-in on the command "
                "line: trueline --plugin FILE.py …"
            )
        name = fields.get(key.replace("_", "-"))
        if name is None:
            raise InputError(f"{path}: unknown option {key!r}: {_hint(key, fields)}")
        if isinstance(value, str) and name in repeatable:
            value = [value]
        try:
            settings[name] = msgspec.convert(
                value, hints[name], dec_hook=lambda _, value: path.parent / str(value)
            )
        except msgspec.ValidationError as error:
            raise InputError(f"{path}: {key}: {error}") from error
    return settings


def check_no_settings_file(words: Sequence[str]) -> None:
    """Raises InputError for a settings file that stands elsewhere than directly after the verb."""
    for before, word in zip(("", *words), words, strict=False):
        if word.startswith("@") and not before.startswith("-") and Path(word[1:]).is_file():
            raise InputError(
                f"{word}: settings files stand directly after the verb: trueline VERB {word} …"
            )


def _hint(name: str, fields: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, fields, 3)
    return f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(sorted(fields))}"
