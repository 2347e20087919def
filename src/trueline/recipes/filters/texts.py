"""Checks that any preference data must face, whether built here or brought along.

They find the three traps of the released Safer-Instruct data (arXiv 2311.08685): blank
dispreferred texts, one boilerplate answer used thousands of times, and prompts that also sit in
an evaluation set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from trueline.files.errors import InputError
from trueline.files.hashing import text_digest
from trueline.files.rows import rows
from trueline.files.text import BadRow
from trueline.policy.values import preferred_responses
from trueline.recipes.filters.near_duplicates import Index
from trueline.records.types import Example, Reject, Response
from trueline.runs.stream import Item, Stage

PROMPT_FIELDS = ("prompt", "instruction", "question", "goal", "behavior", "Goal", "Behavior")


def blank(example: Example) -> Item:
    """Every response says something, or calls a tool."""
    for number, response in enumerate(example.responses):
        if not response.text.strip() and not any(turn.tool_calls for turn in response.messages):
            return Reject("blank", "blank response", example, detail=f"number {number} has no text")
    return example


def prompt_text(example: Example) -> str:
    """What the user asked: the prompt's user turns, joined by blank lines."""
    return "\n\n".join(m.content for m in example.prompt if m.role == "user")


def evaluation_prompts(
    files: Sequence[Path], field: str | None = None
) -> Iterator[tuple[str, str]]:
    """(prompt, where it stands) of evaluation files: the column `field`, else the first of the
    usual names that a row has; a plain text file gives its lines."""
    for file in files:
        for row in rows(file):
            if isinstance(row, BadRow):
                raise InputError(f"{file}, row {row.number}: {row.reason}")
            names = (field,) if field else (*PROMPT_FIELDS, "text")
            found = next((n for n in names if isinstance(row.fields.get(n), str)), None)
            if found is None:
                raise InputError(
                    f"{file}, row {row.number}: no prompt in {sorted(row.fields)}; expected one of "
                    f"{', '.join(names)}: name the column with --decontaminate-field"
                )
            yield str(row.fields[found]), f"{file.name}, row {row.number}"


def decontaminate(files: Sequence[Path], field: str | None = None, threshold: float = 0.8) -> Stage:
    """A stage that turns away prompts which sit, nearly word for word, in evaluation files."""
    index = Index(threshold)
    for text, where in evaluation_prompts(files, field):
        index.add(text, where)

    def step(example: Example) -> Item:
        found = index.find(prompt_text(example))
        if found is None:
            return example
        where, similarity = found
        detail = f"Jaccard {similarity:.2f} with {where}"
        return Reject("decontaminate", "in an evaluation set", example, detail=detail)

    return Stage("decontaminate", step)


def preferred(example: Example) -> Response | None:
    """The response that the example prefers, or None."""
    found = preferred_responses(example)
    return found[0] if found else None


class Boilerplate:
    """How often each chosen text is used; beyond `keep` uses of one, on request, rows go.

    Counts digests, not texts, so that a table of millions fits in memory; one sample of the most
    frequent text is kept for the report.
    """

    def __init__(self, keep: int | None = None) -> None:
        if keep is not None and keep < 1:
            raise InputError(f"boilerplate: at least one use must be kept, not {keep}")
        self.keep = keep
        self.uses: Counter[int] = Counter()
        self.stage = Stage("boilerplate", self.step)

    def step(self, example: Example) -> Item:
        chosen = preferred(example)
        if chosen is None:
            return example
        key = int(text_digest(" ".join(chosen.text.split()).casefold())[:16], 16)
        self.uses[key] += 1
        if self.keep is not None and self.uses[key] > self.keep:
            detail = f"use {self.uses[key]} of the same chosen text, {self.keep} kept"
            return Reject("boilerplate", "boilerplate", example, detail=detail)
        return example

    @property
    def total(self) -> int:
        return self.uses.total()

    @property
    def most(self) -> int:
        """Uses of the most frequent chosen text."""
        return max(self.uses.values(), default=0)

    @property
    def share(self) -> float:
        """Uses of the most frequent chosen text, as a share of all."""
        return self.most / self.total if self.total else 0.0
