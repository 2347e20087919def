"""Checks: trusted code that decides by an Example's task whether a response is right.

A check is a module, here or in a plug-in file.  Its docstring's first line says what it decides;
`QUESTION` is the id of the policy's question that it answers, and `PACKAGES` names third-party
packages if it needs any.  The file's name is the check's (`number_strict.py` is `number-strict`),
and the check a labeller of that name.  Golden outputs and a test belong to it, nothing else:

    \"\"\"Whether a response begins with an accepted answer.\"\"\"

    QUESTION = "correct"
    VERSION = 1

    def check(task: Task, text: str) -> Answer:
        if not isinstance(task, Reference):
            return wrong_task(task, "Reference")
        if text.startswith(task.answers):
            return Answer(True)
        return no(f"it begins with {quote(text)}")

`VERSION` is raised when an answer or a note changes, whichever file made it change, and never for
anything else: results of one version are compared, results of two are not.

They are code of ours and run in this process; what they judge is data.  It may be a megabyte of
anything, so they take time in proportion to its length: no pattern in them may backtrack.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from types import ModuleType

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.files.plugins import Family, find
from trueline.labellers import native_labels
from trueline.labellers.answer import Answer
from trueline.labellers.contract import Instrument
from trueline.labellers.grader import strip_reasoning
from trueline.labellers.targets import About
from trueline.records.types import Example, LabellerId, Question, Response, Task

VERSION = 1
"""Of what this file does to every answer: raise it when that changes."""

EXTRA = "evaluate"
"""The extra that brings the `PACKAGES` of the checks."""


CHECKS = Family(
    "check", "trueline.labellers.checks", "trueline.checks", ("QUESTION", "VERSION", "check")
)


class Check(Instrument):
    """A check as an instrument: yes or no about a response, without its reasoning.

    *Who failed?*  An empty or wrong response is answered no, with the reason in the note.  A task
    that the check cannot judge by is the benchmark's fault, or the check's: `unscored`.
    """

    noun, measured = "check", False

    def __init__(self, name: str) -> None:
        """Raises InputError for a name that is no check's and for a package that is missing."""
        self._module = find(CHECKS, name)
        self.by = LabellerId(
            "grader", name, hash_instrument(name, self._module), VERSION + self._module.VERSION
        )

    def check_answerable(self, questions: Sequence[Question]) -> None:
        """Raises InputError for a question that is not the check's, or not asked as yes or no."""
        who = f"the check {self.by.name!r}"
        native_labels.check_answerable(who, (self._module.QUESTION,), questions)
        for question in questions:
            if (question.about, question.kind) != ("response", "yes-no"):
                raise InputError(
                    f"{who} answers yes or no about a response; question {question.id!r} is "
                    f"{question.kind} about the {question.about}"
                )

    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> dict[str, Answer]:
        self.check_answerable(questions)
        answer = self._answer(example.task, example.responses[about[0]])
        return {question.id: answer for question in questions}

    def _answer(self, task: Task | None, response: Response) -> Answer:
        if task is None:
            return Answer(unscored="the example has no task to check a response by")
        answer: Answer = self._module.check(task, strip_reasoning(response))
        return answer


def wrong_task(task: Task, wanted: str) -> Answer:
    """The answer to a task of a kind that the check cannot judge by."""
    return Answer(unscored=f"the task is of kind {type(task).__name__}; the check needs {wanted}")


def no(reason: str) -> Answer:
    """The answer no, and why."""
    return Answer(False, note=reason)


def quote(text: str) -> str:
    """A text as a note quotes it, cut short."""
    return repr(text if len(text) <= 60 else text[:60] + "…")


def hash_instrument(name: str, module: ModuleType) -> str:
    """The instrument hash of a check: its version, this file's, and those of its PACKAGES."""
    packages = [[package, version(package)] for package in getattr(module, "PACKAGES", ())]
    return digest(["check", name, VERSION, module.VERSION, packages])


def version(package: str) -> str:
    """The version of a package that a check needs; InputError if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        mend = f"pip install 'trueline[{EXTRA}]'"
        raise InputError(f"a check needs the package {package}: {mend}") from error
