"""The parts of a policy: its questions, what no labeller may say, categories, crosswalks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from msgspec import Struct

from trueline.files.hashing import digest
from trueline.policy import pku
from trueline.policy.preference import PREFERRED
from trueline.records.types import Question

_imported = (pku.SAFE, pku.HARM_CATEGORIES, pku.SEVERITY, pku.MORE_HELPFUL, pku.SAFER, PREFERRED)


def fold_spelling(name: str) -> str:
    """A spelling without what makes no difference: case, and a colon at the end."""
    return name.strip().removesuffix(":").casefold()


class Category(Struct, frozen=True, forbid_unknown_fields=True):
    """What one option means: in its definition, by what it includes and does not, and by how it
    differs from the category that it is most easily taken for."""

    definition: str
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    nearest: str | None = None
    difference: str | None = None

    def describe(self) -> str:
        """All of it in one paragraph, as the anchor of an option."""
        parts = [self.definition]
        if self.includes:
            parts.append(f"Includes: {'; '.join(self.includes)}.")
        if self.excludes:
            parts.append(f"Not: {'; '.join(self.excludes)}.")
        if self.nearest and self.difference:
            parts.append(f"Unlike {self.nearest}: {self.difference}")
        return " ".join(parts)


class Crosswalk(Struct, frozen=True, forbid_unknown_fields=True):
    """Other people's categories in terms of ours.

    `to` gives for each of theirs one or several of ours, of which at least one holds; `none` the
    reason why one of theirs has no counterpart; `names` other spellings of theirs.
    """

    about: str
    to: dict[str, tuple[str, ...]] = {}
    none: dict[str, str] = {}
    names: dict[str, str] = {}

    @property
    def spellings(self) -> dict[str, str]:
        """Every spelling, made plain, with the source category that it stands for."""
        keys = {key: key for key in (*self.to, *self.none)}
        return {fold_spelling(spelling): key for spelling, key in (self.names | keys).items()}


class Never(Struct, frozen=True, forbid_unknown_fields=True):
    """Answers to `question` that no labeller gives who has answered as `when` says."""

    question: str
    answers: tuple[bool | int | str, ...]
    because: str
    when: dict[str, bool | int | str] = {}


class Follows(Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers `question` with `better` for one response of a pair alone, prefers that one."""

    preference: str
    question: str
    better: bool | int | str
    because: str


@dataclass(frozen=True, eq=False)
class Policy(Mapping[str, Question]):
    """Questions by id, in the order in which they are asked, and what belongs to them.

    `never` and `follows` say which answers contradict each other beyond what the questions'
    `when` says; `categories` and `crosswalks` are by name.
    """

    questions: dict[str, Question]
    never: tuple[Never, ...] = ()
    follows: tuple[Follows, ...] = ()
    categories: dict[str, Category] = field(default_factory=dict)
    crosswalks: dict[str, Crosswalk] = field(default_factory=dict)

    def __getitem__(self, id: str) -> Question:
        return self.questions[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.questions)

    def __len__(self) -> int:
        return len(self.questions)

    @cached_property
    def identity(self) -> str:
        """A hash of every question and of what contradicts what."""
        return digest([self.questions, self.never, self.follows])

    @cached_property
    def wordings(self) -> dict[str, Question]:
        """By hash, every question whose labels can be held to what was asked: those of the policy,
        and those in whose words imported labels are stored."""
        return {digest(q): q for q in (*_imported, *self.questions.values())}
