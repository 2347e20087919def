"""The child that runs a grader: a function of two texts that says whether the second is right."""

from __future__ import annotations

import builtins
import random
import sys
from collections.abc import Mapping, Sequence
from typing import Any

NAMES = ("grade_output_correct", "grade")
"""What the function may be called; the first that is there is asked."""

_WITHHELD = ("eval", "exec", "compile", "open", "input", "breakpoint", "__import__")
_VERDICTS = ("passed", "correct", "pass", "is_correct", "success")


def graded(
    source: str, first: str, second: str, imports: Sequence[str], *question: Mapping[str, Any]
) -> dict[str, Any]:
    """`{"value": …}`, or `{"error": …}` if the grader has no answer.

    A `question`, as plain data, is its third argument if there is one.
    `imports` names the modules that the grader may import.  It has no `eval`, `exec` or
    `compile`: a judged text that is run as code could write its own verdict.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        code = compile(source, "<grader>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return {"error": f"the grader does not parse in Python {version}: {_said(error)}"}
    held = vars(builtins) | {"__import__": _import(imports)}
    for name in _WITHHELD[:-1]:
        del held[name]
    space: dict[str, Any] = {"__name__": "grader", "__builtins__": held}
    random.seed(0)
    try:
        exec(code, space)
        function = next((space[name] for name in NAMES if callable(space.get(name))), None)
        if function is None:
            return {"error": f"the grader defines none of: {', '.join(NAMES)}"}
        return _answer(function(first, second, *question))
    except MemoryError:
        return {"error": "the grader ran out of its memory"}
    except BaseException as error:
        return {"error": f"the grader raised {_said(error)}"}


def _import(names: Sequence[str]) -> Any:
    real, allowed = builtins.__import__, {name.partition(".")[0] for name in names}

    def limited(name: str, *given: Any, **named: Any) -> Any:
        # what is written in C imports its helpers, such as _strptime, by its caller's import
        if name.partition(".")[0] not in allowed and not name.startswith("_"):
            raise ImportError(f"a grader may not import {name}")
        return real(name, *given, **named)

    return limited


def _answer(value: Any) -> dict[str, Any]:
    """The answer in what the function returned; only built-in types, whose code is Python's."""
    if type(value) is dict:
        found = [value[name] for name in _VERDICTS if name in value]
        if len(found) != 1:
            return {"error": "the grader's answer has none or several of the keys that decide"}
        [value] = found
    if type(value) in (bool, int, float, str):
        return {"value": value}
    return {"error": f"the grader returned an object of the type {type(value).__name__}"}


def _said(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {str(error)[:300]}"
    except BaseException:  # its own __str__ raises
        return type(error).__name__
