"""Trusted programmatic graders of benchmarks ("checks"), one file each.

A check is a module: a docstring whose first line says what it decides, `QUESTION` (the id of the
policy's question that it answers), `VERSION`, and `check(task, text) -> Answer`; if it needs
third-party packages, `PACKAGES` names them.  A new file here is a new check, with its golden
outputs beside the tests: nothing else to change.  `Check` makes any of them a Labeller.

`VERSION` is raised when an answer or a note changes, whichever file made it change, and never for
anything else: results of one version are compared, results of two are not.

They are code of ours and run in this process; what they judge is data.  It may be a megabyte of
anything, so they take time in proportion to its length: no pattern in them may backtrack.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from importlib import metadata
from types import ModuleType

from trueline.files.errors import InputError
from trueline.labellers.answer import Answer
from trueline.labellers.grader import answered
from trueline.labellers.native_labels import able
from trueline.labellers.targets import targets
from trueline.records import ids
from trueline.records.types import By, Example, Label, Question, Response, Task

VERSION = 1
"""Of what this file does to every answer: raise it when that changes."""

EXTRA = "evaluate"
"""The extra that brings the `PACKAGES` of the checks."""


def checks() -> dict[str, ModuleType]:
    """The modules of the checks by their names; packages beside them hold parts of a check."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg)
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


class Check:
    """A check as a Labeller: one label a response, yes or no, without its reasoning.

    *Who failed?*  An empty or wrong response is answered no, with the reason in the note.  A task
    that the check cannot judge by is the benchmark's fault, or the check's: `unscored`.
    """

    def __init__(self, name: str) -> None:
        """InputError for a name that is no check's and for a package that is missing."""
        known = checks()
        if name not in known:
            raise InputError(f"no check {name!r}; there are: {', '.join(known)}")
        self._module = known[name]
        self.by = By("grader", name, hash_instrument(name, self._module))

    async def label(self, example: Example, questions: Sequence[Question]) -> list[Label]:
        """InputError for a question that is not the check's, or not asked as yes or no."""
        able(f"the check {self.by.name!r}", (self._module.QUESTION,), questions)
        for question in questions:
            if (question.about, question.kind) != ("response", "yes-no"):
                raise InputError(
                    f"the check {self.by.name!r} answers yes or no about a response; question "
                    f"{question.id!r} is {question.kind} about the {question.about}"
                )
        return [
            ids.label(
                example,
                question,
                about,
                self.by,
                **self._answer(example.task, example.responses[about[0]])._asdict(),
            )
            for question in questions
            for about in targets(example, question)
        ]

    def _answer(self, task: Task | None, response: Response) -> Answer:
        if task is None:
            return Answer(unscored="the example has no task to check a response by")
        answer: Answer = self._module.check(task, answered(response))
        return answer


def unfit(task: Task, wanted: str) -> Answer:
    """What a check says to a task that it cannot judge by."""
    return Answer(unscored=f"the task is of kind {type(task).__name__}; the check needs {wanted}")


def no(reason: str) -> Answer:
    """The answer no, and why."""
    return Answer(False, note=reason)


def shown(text: str) -> str:
    """A text as a note quotes it, cut short."""
    return repr(text if len(text) <= 60 else text[:60] + "…")


def hash_instrument(name: str, module: ModuleType) -> str:
    """The instrument hash of a check: its version, this file's, and those of its PACKAGES."""
    packages = [[package, version(package)] for package in getattr(module, "PACKAGES", ())]
    return ids.digest(["check", name, VERSION, module.VERSION, packages])


def version(package: str) -> str:
    """The version of a package that a check needs; InputError where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        mend = f"pip install 'trueline[{EXTRA}]'"
        raise InputError(f"a check needs the package {package}: {mend}") from error
