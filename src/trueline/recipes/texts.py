"""Raw texts as Examples whose one response is the text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.files.rows import Row, rows
from trueline.files.text import BadRow
from trueline.recipes.options import Texts
from trueline.records.occurrences import Occurrences
from trueline.records.store.validate import reject_bad_row
from trueline.records.types import Example, Message, Reject, Response, Source


class RawTexts(Struct, frozen=True):
    """Files of texts, at most `limit` rows of them; `field` is the column of the text,
    `tag_fields` are columns that are kept as tags."""

    files: tuple[Path, ...]
    field: str
    tag_fields: tuple[str, ...]
    tags: tuple[str, ...]
    license: str | None
    limit: int | None

    @staticmethod
    def of(options: Texts) -> RawTexts:
        """The texts that the options name.  Raises InputError for a tag that is none."""
        for tag in options.tag:
            if not all(tag.partition(":")):
                raise InputError(f"--tag {tag}: a tag is written key:value")
        return RawTexts(
            options.texts,
            options.text_field,
            options.tag_field,
            options.tag,
            options.license,
            options.limit,
        )

    def survey(self) -> int:
        """Read the files once before anything is paid for; how many rows will be used.

        Raises InputError if no row has the fields, or if the text is blank in all of them.
        """
        total, filled, columns = 0, 0, set[str]()
        for row in self._rows():
            total += 1
            if isinstance(row, Row):
                columns |= row.fields.keys()
                filled += bool(_text(row, self.field))
        names = ", ".join(map(str, self.files))
        if self.field not in columns:
            raise InputError(
                f"{names}: no column {self.field!r} in {_list(columns, 'no readable row')}; name "
                "the one that holds the texts with --text-field"
            )
        if not filled:
            raise InputError(
                f"{names}: {self.field!r} is blank in all {total:,} rows, so there is no text to "
                f"work from; other columns: {_list(columns - {self.field})} (--text-field)"
            )
        if missing := [name for name in self.tag_fields if name not in columns]:
            raise InputError(
                f"{names}: no column {missing[0]!r} for --tag-field; there are {_list(columns)}"
            )
        return total if self.limit is None else min(total, self.limit)

    def examples(self, recipe: str) -> Iterator[Example | Reject]:
        """One Example or Reject a row, in order."""
        occurrences = Occurrences()
        for number, row in enumerate(self._rows()):
            if number == self.limit:
                return
            if isinstance(row, BadRow):
                yield reject_bad_row(row)
            else:
                item = self._example(row, recipe)
                yield occurrences.distinguish(item) if isinstance(item, Example) else item

    def _rows(self) -> Iterator[Row | BadRow]:
        for file in self.files:
            yield from rows(file)

    def _example(self, row: Row, recipe: str) -> Example | Reject:
        text = row.fields.get(self.field)
        if not isinstance(text, str):
            kind = "missing" if text is None else f"a {type(text).__name__}"
            raw = msgspec.json.encode(row.fields, enc_hook=str).decode()
            detail = f"{self.field!r} is {kind}"
            return Reject("read", "no text", None, str(row.file), row.number, raw, detail)
        kept = [f"{name}:{row.fields[name]}" for name in self.tag_fields if row.fields.get(name)]
        return Example.new(
            responses=[Response((Message("assistant", text),))],
            source=Source(Path(row.file).name, self.license, row=row.number),
            recipe=recipe,
            tags=(*self.tags, *kept),
        )


def _text(row: Row, field: str) -> str:
    value = row.fields.get(field)
    return value.strip() if isinstance(value, str) else ""


def _list(names: set[str], none: str = "none") -> str:
    return ", ".join(sorted(names)) or none
