"""Reading a policy: trueline's own, or a file that extends or replaces it."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from trueline.files.errors import InputError
from trueline.files.lines import read_text
from trueline.policy.check import find_problems
from trueline.policy.source import CATEGORIES, PolicySource
from trueline.policy.types import Category, Policy
from trueline.records.types import Question

OWN = ("default.toml", "categories.toml", "crosswalks.toml")
"""trueline's own policy, in three files for the reader's sake."""


def load(path: Path | None = None) -> Policy:
    """The policy of a file; without a path, trueline's own.

    Raises InputError, naming everything that is wrong with the file.
    """
    if path is None:
        return _own()
    policy, wrong = examine_policy(path)
    if wrong:
        raise InputError("\n".join(f"{path}: {problem}" for problem in wrong))
    return policy


def examine_policy(path: Path) -> tuple[Policy, list[str]]:
    """The policy of a file and all that is wrong with it: what is, is left out of the policy.

    Raises InputError if the file cannot be read as TOML.
    """
    try:
        raw = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from error
    return build_policy(PolicySource(raw, None if raw.get("extends") == "none" else _own_source()))


@cache
def _own() -> Policy:
    policy, wrong = build_policy(_own_source())
    if wrong:
        raise ValueError("; ".join(wrong))
    return policy


@cache
def _own_source() -> PolicySource:
    folder = resources.files("trueline").joinpath("policy")
    raw: dict[str, Any] = {"extends": "none"}
    for name in OWN:
        raw |= tomllib.loads(folder.joinpath(name).read_text(encoding="utf-8"))
    return PolicySource(raw, None)


def build_policy(source: PolicySource) -> tuple[Policy, list[str]]:
    """The policy that a source gives, and all that is wrong in both."""
    questions = {
        id: _question(fields, source.categories) for id, fields in source.questions.items()
    }
    policy = Policy(questions, source.never, source.follows, source.categories, source.crosswalks)
    return policy, [*source.wrong, *find_problems(policy, source)]


def _question(fields: dict[str, Any], categories: dict[str, Category]) -> Question:
    if fields.get("options") == CATEGORIES:
        meanings = {name: category.describe() for name, category in categories.items()}
        anchors = meanings | fields.get("anchors", {})
        fields = fields | {"options": tuple(categories), "anchors": anchors}
    return Question(**fields)
