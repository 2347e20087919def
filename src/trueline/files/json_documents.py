"""Rows of JSON documents: an array streamed element by element, or one object of moderate size."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from trueline.files.errors import InputError
from trueline.files.lines import BROKEN_GZIP, LINE_LIMIT, broken_gzip_row, open_file
from trueline.files.text import BadRow, bad_row

CHUNK, CHUNKS = 2**20, 8
"""Bytes that are read at a time, and how many times as much while one long value goes on."""

_scan = json.JSONDecoder().raw_decode
_blank = " \t\r\n"

Numbered = tuple[int, Any]


class _Text:
    """A file's text, read on when more of it is wanted; bad bytes become lone surrogates, which
    the strict decoder refuses later."""

    def __init__(self, path: Path) -> None:
        self._file: Any = open_file(path)  # BinaryIO does not know read1
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self.text, self.at, self.ended = "", 0, False

    def more(self) -> int:
        """Read on, and return how many bytes there were."""
        wanted = min(max(CHUNK, len(self.text) - self.at), CHUNK * CHUNKS)
        data = bytearray()
        try:
            while len(data) < wanted and (piece := self._file.read1(wanted)):
                data += piece
        except BROKEN_GZIP:
            if not data:  # what came before the break is read first
                raise
        self.ended = not data
        self.text, self.at = self.text[self.at :] + self._decode(bytes(data), self.ended), 0
        return len(data)

    def peek(self) -> str:
        """The next character that is not blank, "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in _blank:
                self.at += 1
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def value(self) -> str:
        """The source of the next JSON value; raises ValueError if there is none."""
        self.peek()
        length = 0
        while True:
            try:
                _, end = _scan(self.text, self.at)
                # a number at the very end of what is read may go on
                if end < len(self.text) or self.ended:
                    found, self.at = self.text[self.at : end], end
                    return found
            except (ValueError, RecursionError):
                if self.ended:
                    raise
            length += self.more()
            if length > LINE_LIMIT:
                raise ValueError(f"over-long: a value of more than {LINE_LIMIT:,} bytes")


def read_json_document(path: Path) -> Iterator[Numbered | BadRow]:
    """Numbered values: an array's elements; or of an object, its values.

    An object of objects gives its values with the key as a further field `key`; an object of
    lists their elements likewise; any other object is itself the one row.
    """
    number = 0
    try:
        text = _Text(path)
        if text.peek() != "[":
            yield from _object(path, text)
            return
        text.at += 1
        while (ahead := text.peek()) != "]":
            if number:
                if ahead != ",":
                    raise ValueError("expected , or ] after an element")
                text.at += 1
            source = text.value()
            number += 1
            raw = source.encode(errors="surrogateescape")
            try:
                yield number, msgspec.json.decode(raw)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                yield bad_row(f"not valid JSON in UTF-8: {error}", raw, path, number)
        text.at += 1
        if text.peek():
            raise ValueError("there is more behind the array")
    except BROKEN_GZIP as error:
        yield broken_gzip_row(path, number + 1, error)
    except (ValueError, RecursionError) as error:
        reason = f"the JSON breaks off here ({error}): this row and all after it are missing"
        yield bad_row(reason, "", path, number + 1)


def _object(path: Path, text: _Text) -> Iterator[Numbered]:
    try:
        found = msgspec.json.decode(text.value())
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is neither a JSON array nor one JSON object of at most "
            f"{LINE_LIMIT // 2**20} MiB ({error}): JSON lines belong in a .jsonl file"
        ) from error
    if text.peek():
        raise InputError(f"{path} goes on after its first JSON value: JSON lines end in .jsonl")
    yield from enumerate(_values(found), 1)


def _values(found: Any) -> Iterator[Any]:
    values = list(found.values()) if isinstance(found, dict) else []
    if values and all(isinstance(value, dict) for value in values):
        yield from ({"key": key, **value} for key, value in found.items())
    elif values and all(isinstance(value, list) for value in values):
        for key, several in found.items():
            for one in several:
                yield {"key": key, **(one if isinstance(one, dict) else {"text": one})}
    else:
        yield found
