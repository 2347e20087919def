"""Decontamination: prompts that are also in an evaluation set are rejected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from trueline.files.errors import InputError
from trueline.files.rows import rows
from trueline.files.text import BadRow
from trueline.recipes.filters.near_duplicates import Index, prompt_text
from trueline.records.types import Example
from trueline.runs.context import RunContext
from trueline.runs.stage import Outcome, Rejected, Step

PROMPT_FIELDS = ("prompt", "instruction", "question", "goal", "behavior", "Goal", "Behavior")


def decontaminate(
    context: RunContext,
    *,
    files: Sequence[Path],
    field: str | None = None,
    threshold: float = 0.8,
) -> Step:
    """Rejects prompts that are, nearly word for word, in evaluation files; see
    `evaluation_prompts`.  `threshold` is a Jaccard similarity."""
    index = Index(threshold)
    for text, place in evaluation_prompts(files, field):
        index.add(text, place)

    def step(example: Example) -> Outcome:
        nearest = index.find(prompt_text(example))
        if nearest is None:
            return example
        place, similarity = nearest
        return Rejected(example, "in an evaluation set", f"Jaccard {similarity:.2f} with {place}")

    return step


def evaluation_prompts(
    files: Sequence[Path], field: str | None = None
) -> Iterator[tuple[str, str]]:
    """(prompt, file and row) of evaluation files: the column `field`, else the first of the usual
    names that a row has; a plain text file gives its lines.

    Raises InputError for a row without a prompt.
    """
    for file in files:
        for row in rows(file):
            if isinstance(row, BadRow):
                raise InputError(f"{file}, row {row.number}: {row.reason}")
            names = (field,) if field else (*PROMPT_FIELDS, "text")
            name = next((n for n in names if isinstance(row.fields.get(n), str)), None)
            if name is None:
                raise InputError(
                    f"{file}, row {row.number}: no prompt in {sorted(row.fields)}; expected one of "
                    f"{', '.join(names)}: name the column with --decontaminate-field"
                )
            yield str(row.fields[name]), f"{file.name}, row {row.number}"
