"""Reading a policy file."""

from __future__ import annotations

import tomllib
from collections import Counter
from importlib import resources
from pathlib import Path

import msgspec
from msgspec import Struct

from trueline.records.errors import InputError
from trueline.records.types import Question


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """Questions in the order in which they are asked."""

    question: tuple[Question, ...]


def load(path: Path | None = None) -> dict[str, Question]:
    """The questions of a policy file by id; without a path, trueline's own."""
    if path is None:
        name = "policy/default.toml"
        text = resources.files("trueline").joinpath(name).read_text(encoding="utf-8")
    else:
        name = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{name}: cannot be read as UTF-8 text: {error}") from error
    try:
        policy = msgspec.convert(tomllib.loads(text), Policy)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{name}: {error}") from error
    found = {question.id: question for question in policy.question}
    if len(found) < len(policy.question):
        counts = Counter(question.id for question in policy.question)
        raise InputError(f"{name}: the question {counts.most_common(1)[0][0]!r} stands there twice")
    return found
