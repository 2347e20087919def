"""The formats by name: ours, those of the user's files, and those of installed packages."""

from __future__ import annotations

from collections.abc import Sequence

from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.files.plugins import Family
from trueline.formats.contract import ColumnMapping, Format, Questions

FORMATS = Family("format", "trueline.formats.kinds", "trueline.formats", ("FORMAT",))


def format_names() -> list[str]:
    """The names of all formats, sorted."""
    return plugins.names(FORMATS)


def find_formats() -> dict[str, Format]:
    """All formats by name, as `find_definition` gives them."""
    return {name: find_definition(name) for name in format_names()}


def find_definition(name: str) -> Format:
    """What the file of this name defines; one that needs a mapping cannot be used so.

    Raises InputError if the name is unknown.
    """
    format: Format = plugins.find(FORMATS, name).FORMAT
    return format


def find_format(
    name: str, mapping: ColumnMapping | None = None, questions: Questions | None = None
) -> Format:
    """A format ready for use; `questions` are those to which labels in mapped columns are held.

    Raises InputError if the name is unknown, or if the mapping makes no sense or is out of place.
    """
    format = find_definition(name)
    if format.with_mapping is not None:
        return format.with_mapping(mapping or {}, questions or {})
    if mapping:
        raise InputError(f"{name} knows its columns: --map belongs to --from columns")
    return format


def mapping_for(name: str | None, parts: Sequence[str]) -> ColumnMapping | None:
    """The mapping that `--map` gives to a format of this name; None if it takes none."""
    if name is None or find_definition(name).with_mapping is None:
        return None
    return parse_mapping(parts)


def parse_mapping(parts: Sequence[str]) -> ColumnMapping:
    """`--map PART=COLUMN`, repeated, as a mapping from parts to their columns.

    Raises InputError if one is not written so.
    """
    mapping: dict[str, list[str]] = {}
    for text in parts:
        part, equals, column = text.partition("=")
        if not (part and equals and column):
            raise InputError(f"--map {text}: write it PART=COLUMN, as in --map prompt=question")
        mapping.setdefault(part, []).append(column)
    return mapping
