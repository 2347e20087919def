"""Code that answers a question about a response, out of process and confined.

*Who failed?*  A grader that raises, hangs, runs out of memory, does not parse in this Python or
says nothing that can be read is the instrument's failure, whatever text set it off: `Unscored`.
A task is to be used only if its grader passes its own examples (`validate_grader`), so that such
a failure is a defect of the grader and not a way to grade.  The candidate fails where it gives no
answer at all, or where its *program* does not load, raises, hangs, ends itself or goes over its
limits: that is the answer no, with the reason.  Tests of a program that are broken before they
have asked it anything, or hang by themselves, are the instrument again.

A grader sees judged text as data.  A judged program runs in a process apart from its tests, which
get plain values from it: it can neither forge a verdict nor read the expected values.  It could
still have learnt them by heart, and a test that takes its helpers from the program believes them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.files.hashing import digest
from trueline.files.lines import read_text
from trueline.labellers.answer import Answer
from trueline.labellers.contract import Instrument
from trueline.labellers.targets import About
from trueline.records.types import Code, Example, Hierarchy, LabellerId, Question, Response, Value
from trueline.sandbox import checking, frames, zygote
from trueline.sandbox.pool import Died, Limits, Report, Sandbox

TASK_QUESTIONS: dict[str, type[Hierarchy | Code]] = {
    "hierarchy_held": Hierarchy,
    "tests_passed": Code,
}
"""What a task's own code answers: the grader of a Hierarchy task, and the tests of a Code task."""

TASK_IMPORTS = ("re", "json", "math", "string", "base64", "textwrap")
"""What the grader of a task may import; one from a file may import all that the sandbox has."""

VERSION = 1
"""Of how code is run and what it says is read (here, `sandbox`): raise it when an answer or a
reason changes."""
_YES = frozenset(("true", "yes", "pass", "passed", "correct", "success", "1"))
_NO = frozenset(("false", "no", "fail", "failed", "incorrect", "failure", "0"))
_LARGEST = sys.float_info.max  # more is infinite, and NaN is not less
_KINDS = ("yes-no", "number", "scale", "one-of")
_QUESTION_PARTS = ("id", "ask", "kind", "options", "levels")


class Written(Struct, frozen=True, forbid_unknown_fields=True):
    """What a child says: a value, perhaps with a note, or what is wrong."""

    value: bool | int | float | str | None = None
    note: str | None = None
    error: str | None = None


class Grader(Instrument):
    """Answers one question about responses by code: the task's own, or `source` for all of them.

    A task's own code decides `hierarchy_held` or `tests_passed`, in whatever words they are asked.
    With no `question` it answers the Examples' own, by a function `grade(prompt, response,
    question)` of the file, whose third argument has the question's id, ask, kind, options, levels.
    `source` defines `grade(prompt, response)` or, as tasks do, `grade_output_correct` of two texts,
    and returns the value, or a dict that holds it under a key such as "passed".  The mechanism
    that confined it stands in each label's note; it is not in the instrument's hash, because it
    is to change no answer.
    """

    noun, measured = "grader", False
    # There are as many workers as cores: more Examples would only wait in line, and whoever asks
    # the run to stop would wait for all of them.
    parallel = 4 * (os.cpu_count() or 1)

    def __init__(
        self,
        sandbox: Sandbox,
        question: Question | None,
        *,
        source: str | None = None,
        name: str = "task",
    ) -> None:
        self.question, self._source, self._sandbox = question, source, sandbox
        imports = TASK_IMPORTS if source is None else zygote.MODULES
        self._imports = list(imports)
        version = list(sys.version_info[:2])  # what parses depends on it
        parts = ["grader", VERSION, source, self._imports, sandbox.limits, version]
        self.by = LabellerId("grader", name, digest(parts), VERSION)
        if question is not None:
            self.check_answerable([question])

    def check_answerable(self, questions: Sequence[Question]) -> None:
        """Raises InputError for a question that is not the grader's, or not one for code."""
        for question in questions:
            if question.about != "response" or question.kind not in _KINDS:
                raise InputError(
                    f"question {question.id!r} is {question.kind} about the {question.about}; a "
                    f"grader answers questions about a response: {', '.join(_KINDS)}"
                )
            if self._source is None and (
                question.id not in TASK_QUESTIONS or question.kind != "yes-no"
            ):
                known = " or ".join(map(repr, TASK_QUESTIONS))
                raise InputError(
                    f"a task's own code answers {known}, yes or no; not {question.id!r}, which is "
                    f"{question.kind}"
                )
            if self.question is not None and question.id != self.question.id:
                raise InputError(
                    f"the grader {self.by.name!r} answers {self.question.id!r}, not {question.id!r}"
                )

    async def answer(
        self, example: Example, about: About, questions: Sequence[Question]
    ) -> dict[str, Answer]:
        self.check_answerable(questions)
        response = example.responses[about[0]]
        return {q.id: await self._answer(example, response, q) for q in questions}

    async def _answer(self, example: Example, response: Response, question: Question) -> Answer:
        try:
            answer = await self._run(example, response, question)
        except Died as error:
            answer = Answer(unscored=str(error))
        except ValueError as error:
            answer = Answer(unscored=f"the response cannot be graded: {error}")
        how = f"confined by {self._sandbox.mechanism}"
        note = f"{answer.note}; {how}" if answer.note else how
        return answer._replace(note=_clean(note), unscored=_clean(answer.unscored))

    async def _run(self, example: Example, response: Response, question: Question) -> Answer:
        text, task = strip_reasoning(response), example.task
        if self._source is not None:
            first = "\n\n".join(message.content for message in example.prompt)
            return await self._grade(self._source, first, text, question)
        if not isinstance(task, TASK_QUESTIONS[question.id]):
            return Answer(unscored=f"the example has no task that decides {question.id}")
        if not text.strip():
            return Answer(False, note="the response is empty")
        if isinstance(task, Code):
            head = example.prompt[-1].content if example.prompt else ""
            return await self._test(head, text, task)
        attacks = [m.content for m in example.prompt if m.role == task.attack_level]
        if any(task.placeholder in m.content for m in example.prompt):
            return Answer(unscored="the task's placeholder stands where its attack belongs")
        attack = attacks[-1] if attacks else ""
        return await self._grade(task.grader_source, attack, text, question)

    async def _grade(self, source: str, first: str, text: str, question: Question) -> Answer:
        given: list[Any] = [source, first, text, self._imports]
        if (
            self.question is None and self._source is not None
        ):  # the code is to know which of the Example's own it answers
            given.append({name: getattr(question, name) for name in _QUESTION_PARTS})
        report = await self._sandbox.run(frames.GRADING, given)
        found = _said(report, "the grader", self._sandbox.limits)
        if found.unscored is not None:
            return found
        value = _fitting(question, found.value)
        if value is None:
            what = f"{found.value!r:.200}, which is no answer to a {question.kind} question"
            return Answer(unscored=f"the grader said {what}")
        return Answer(value)

    async def _test(self, head: str, text: str, task: Code) -> Answer:
        report = await self._sandbox.run(
            frames.PROGRAM, [head, text, task.entry_point], [task.tests, task.entry_point]
        )
        found = _said(report, "the process of the tests", self._sandbox.limits)
        if found.note == checking.ENDED:
            why = _ended(report.program, self._sandbox.limits)
            return found._replace(note=f"the program {why}")
        return found


def from_file(sandbox: Sandbox, path: Path, question: Question | None) -> Grader:
    """The grader in a file of Python, named after it; without a question, of the Examples' own."""
    return Grader(sandbox, question, source=read_text(path), name=path.stem)


async def validate_grader(
    sandbox: Sandbox,
    question: Question,
    source: str,
    passing: Iterable[tuple[str, str]],
    failing: Iterable[tuple[str, str]],
) -> list[str]:
    """What is wrong with a task's grader by its own examples, each an attack and a response.

    `question` is the policy's `hierarchy_held`.  The list is empty if the grader passes the
    passing examples and fails the failing ones.
    """
    grader = Grader(sandbox, question)
    wrong = []
    for wanted, examples in ((True, passing), (False, failing)):
        for number, (attack, text) in enumerate(examples, 1):
            answer = await grader._grade(source, attack, text, question)
            if answer.value is not wanted:
                what = "passing" if wanted else "failing"
                wrong.append(f"{what} example {number}: {answer.unscored or answer.value}")
    return wrong


def strip_reasoning(response: Response) -> str:
    """The response without its reasoning, which is all up to the last `</think>`, or all that
    there is if it is never closed."""
    text = response.text
    if "</think>" in text:
        return text.rpartition("</think>")[2].strip("\n")
    return "" if text.lstrip().startswith("<think>") else text


def _said(report: Report, who: str, limits: Limits) -> Answer:
    """What the child wrote; of whatever kind its value is."""
    if report.how == frames.LATE:
        return Answer(unscored=f"{who} did not finish within {limits.wall:g} s")
    if report.how == frames.FULL:
        return Answer(unscored=f"{who} wrote more than it may")
    try:
        found = msgspec.convert(frames.loaded(report.data), Written)
    except ValueError:
        why = f"{who} {_ended(report.status, limits)}, without a verdict"
        return Answer(unscored=why)
    if found.value is None:
        return Answer(unscored=found.error or f"{who} said nothing")
    return Answer(found.value, note=found.note)


def _ended(status: int, limits: Limits) -> str:
    if status == -9:
        return f"was killed, at its limit of {limits.cpu} s of computing or by the system"
    if status < 0:
        return f"crashed (signal {-status})"
    return f"ended itself (exit code {status})"


def _fitting(question: Question, value: Value | None) -> Value | None:
    """The value as an answer to the question; None where it is none."""
    match question.kind, value:
        case "yes-no", bool():
            return value
        case "yes-no", 0 | 1:
            return bool(value)
        case "yes-no", str():
            word = value.strip().lower()
            return True if word in _YES else False if word in _NO else None
        case "number", int() | float() if type(value) is not bool and abs(value) <= _LARGEST:
            return float(value)
        case "scale", int() if type(value) is not bool and value in question.levels:
            return value
        case "one-of", str() if value in question.options:
            return value
    return None


def _clean(text: str | None) -> str | None:
    """Lone surrogates, which code can make, cannot be stored."""
    return text if text is None else text.encode("utf-8", "replace").decode("utf-8")
