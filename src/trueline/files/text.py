"""Text that can be stored: Unicode without lone surrogates, and rows that could not be read."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

from msgspec import Struct

from trueline.files.errors import InputError

ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories of characters that act rather than show: escapes, changes of direction."""

RAW_LIMIT = 64 * 1024
"""Characters of a bad row that are kept."""


class BadRow(Struct, frozen=True):
    """A row of `file` that could not be read, and why; `raw` is its text as it was read."""

    reason: str
    raw: str
    file: Path
    number: int


def bad_row(reason: str, raw: Any, file: Path, number: int) -> BadRow:
    """A BadRow that can itself be stored, whatever the row holds."""
    return BadRow(clean(reason), storable_text(raw), file, number)


def storable_text(raw: Any) -> str:
    """The text of anything: bytes that are not UTF-8 and lone surrogates become backslash escapes,
    and a very long text is cut with a note of its length."""
    text = raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else str(raw)
    text = clean(text)
    if len(text) > RAW_LIMIT:
        return f"{text[:RAW_LIMIT]}… [cut: {len(text):,} characters in all]"
    return text


def clean(text: str) -> str:
    """The text with lone surrogates as backslash escapes; other text is returned as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def check_path_encodable(path: Path) -> None:
    """Raises InputError if no record could hold the name of a file or folder."""
    if clean(str(path)) != str(path):
        raise InputError(f"the name {clean(str(path))} is not UTF-8: choose another")


def escape_terminal(text: str) -> str:
    """A text that a terminal shows and does not obey: control and format characters stand as
    escapes, line ends as spaces."""
    flat = re.sub(r"\s*[\r\n]+\s*", " ", text)
    return "".join(escape_character(c) if unicodedata.category(c) in ACTING else c for c in flat)


def escape_character(character: str) -> str:
    """The character as an escape of Python's."""
    return character.encode("unicode_escape").decode()
