"""The child in which a judged program lives: it answers calls, and knows nothing of the tests."""

from __future__ import annotations

import ast
import random
import re
import sys
from typing import Any

from trueline.sandbox import frames, plain

_BLOCK = re.compile(r"^ *```[ \t]*(?:python[0-9]?|py)?[ \t]*\n(.*?)^ *```", re.S | re.M | re.I)


def serve(link: int, prompt: str, answer: str, entry: str | None) -> None:
    """Loads the program and answers calls from the link until it ends."""
    space: dict[str, Any] = {"__name__": "program"}
    random.seed(0)
    try:
        exec(compile(assembled(prompt, answer, entry), "<program>", "exec"), space)
    except Exception as error:
        frames.write(link, frames.packed({"failed": said(error)}))
        return
    frames.write(link, frames.packed({"ready": True}))
    while True:
        frames.write(link, _reply(space, frames.read(link)))


def assembled(prompt: str, answer: str, entry: str | None) -> str:
    """The program in a prompt and its answer.

    Code in fences is taken without what stands around it.  An answer that does not define the
    entry point goes on where the prompt's code ends.
    """
    head, code = _code(prompt), _code(answer)
    if not _parses(head):
        return code
    if _parses(code) and (entry is None or entry in _defined(code)):
        return f"{head}\n\n{code}"
    return head + code if entry else code


def _code(text: str) -> str:
    return "\n\n".join(_BLOCK.findall(text)) or text


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def _defined(code: str) -> set[str]:
    tree = ast.parse(code).body
    names = {n.name for n in tree if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    targets = [t for n in tree if isinstance(n, ast.Assign) for t in n.targets]
    return names | {t.id for t in targets if isinstance(t, ast.Name)}


def _reply(space: dict[str, Any], call: dict[str, Any]) -> bytes:
    try:
        function = space.get(call["call"])
        if not callable(function) or isinstance(function, type):
            return frames.packed({"missing": type(function).__name__ if function else "nothing"})
        args = [plain.decode(v) for v in call["args"]]
        named = {k: plain.decode(v) for k, v in call["named"].items()}
        value = plain.encode(function(*args, **named))
        return frames.packed({"value": value, "args": [plain.encode(v) for v in args]})
    except Exception as error:
        return frames.packed({"raised": type(error).__name__, "said": said(error)})


def said(error: BaseException) -> str:
    """An exception in a line."""
    version = f" (Python {sys.version_info.major}.{sys.version_info.minor})"
    try:
        text = f"{type(error).__name__}: {str(error)[:300]}"
    except Exception:  # its own __str__ raises
        text = type(error).__name__
    return text + version if isinstance(error, SyntaxError) else text
