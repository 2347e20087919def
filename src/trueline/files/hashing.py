"""Digests: the same content has the same digest in every process, on every platform.

All are blake2b-128, written as 32 hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path
from typing import Any

import msgspec

_json = msgspec.json.Encoder(order="sorted")


def normal(text: str) -> str:
    r"""The text in the form that is hashed: NFC, `\n` line ends."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def canonical(value: Any) -> bytes:
    r"""Canonical JSON of a record or of plain data: sorted keys, NFC, `\n` line ends, UTF-8."""
    plain = msgspec.to_builtins(value, str_keys=True)
    encoded = _json.encode(plain)
    if encoded.isascii() and b"\\r" not in encoded:  # there is nothing to normalise
        return encoded
    return _json.encode(_normal(plain))


def digest(value: Any) -> str:
    """The digest of the canonical JSON of a record or of plain data."""
    return hash_bytes(canonical(value))


def text_digest(text: str) -> str:
    """The digest of one text, as labels carry it."""
    return hash_bytes(normal(text).encode())


def hash_bytes(data: bytes) -> str:
    """The digest of bytes as they are."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def hash_file(path: Path) -> str:
    """The digest of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return normal(value)
    if isinstance(value, dict):
        return {normal(k): _normal(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):  # to_builtins leaves tuples as they are
        return [_normal(v) for v in value]
    return value
