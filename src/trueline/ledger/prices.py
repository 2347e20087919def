"""Prices from a file that its user keeps:

["gpt-x"]       # a model's name at its endpoint, its whole identity, or "*" for all others
input = 2.5     # money for a million prompt tokens
output = 10.0   # and for a million completion tokens
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from trueline.files.errors import InputError
from trueline.files.lines import read_text
from trueline.ledger.budget import Price


def load(path: Path) -> dict[str, Price]:
    """The prices of a TOML file, as a Budget takes them; InputError names the file and the key."""
    try:
        found = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    if not found:
        raise InputError(f'{path}: no prices in it; write ["MODEL"], input = …, output = …')
    return {name: _price(path, name, given) for name, given in found.items()}


def _price(path: Path, name: str, given: Any) -> Price:
    if not isinstance(given, dict):
        raise InputError(f'{path}: {name!r} is not in a table: write ["MODEL"] above its prices')
    if inner := [key for key, value in given.items() if isinstance(value, dict)]:
        raise InputError(f'{path}: put a name with dots in quotes: ["{name}.{inner[0]}"]')
    try:
        price = msgspec.convert(given, Price)
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `$")
        key = f'["{name}"]{where.rstrip("`").replace(".", " ")}'
        raise InputError(f"{path}: {key}: {why[:1].lower()}{why[1:]}") from error
    for key, value in msgspec.structs.asdict(price).items():
        if not 0 <= value < math.inf:
            raise InputError(f'{path}: ["{name}"] {key} is {value}: expected a number from 0 up')
    return price
