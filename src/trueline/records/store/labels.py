"""Labels that were made apart from their data: a folder that is joined to it by Example id.

Such a folder is a data set like any other, whose Examples hold an id and labels and nothing else;
so two labellers can work on one data set at once, and neither rewrites it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from trueline.files.errors import InputError
from trueline.records.labels import effective_labels
from trueline.records.store import dataset
from trueline.records.types import Example, Label, digest_texts, with_labels

RECIPE = "label@1"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Label, ...]).decode


def apart(example: Example, labels: Iterable[Label]) -> Example:
    """The labels alone, to be joined to the Example later."""
    return Example(id=example.id, labels=tuple(labels), recipe=RECIPE)


def is_apart(example: Example) -> bool:
    """Whether these are labels that were made apart from their data."""
    return example.recipe == RECIPE and not example.prompt and not example.responses


def joined(
    examples: Iterable[Example], folders: Sequence[Path], *, whole: bool = True
) -> Iterator[Example]:
    """The Examples, streamed, with the labels that the folders hold for them.

    A label that an Example has already (by its id) is not added again.  InputError for a label
    whose texts are not the Example's: it was made of others.  With `whole`, also where labels are
    left over, whose Examples did not come.  Labels are held in memory, about 300 bytes each.
    """
    found = [(path, _held(path)) for path in folders]
    came: set[str] = set()  # an Example may come twice
    for example in examples:
        for path, held in found:
            if (packed := held.get(example.id)) is not None:
                came.add(example.id)
                labels = _decode(packed)
                for label in labels:
                    _fits(label, example, path)
                example = with_labels(example, *labels)
                counting = effective_labels(example.labels)
                example = msgspec.structs.replace(example, labels=counting)
        yield example
    for path, held in found:
        left = [id for id in held if id not in came] if whole else []
        if left:
            raise InputError(
                f"{path} has labels of {len(left):,} Examples that are not in the data (the first: "
                f"{left[0]}): they belong to another data set"
            )


def _held(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for example in dataset.read(path):
        if not is_apart(example):
            raise InputError(
                f"{path} holds Examples, not labels made apart by `trueline label`: give it as data"
            )
        earlier = _decode(found[example.id]) if example.id in found else ()
        found[example.id] = _encode(earlier + example.labels)
    return found


def _fits(label: Label, example: Example, path: Path) -> None:
    try:
        texts = digest_texts(example, label.about)
    except IndexError:
        texts = ()
    if texts != label.texts:
        raise InputError(
            f"{path}: label {label.id} on {label.question!r} judged other texts than those of "
            f"Example {example.id}: labels and data do not belong together"
        )
