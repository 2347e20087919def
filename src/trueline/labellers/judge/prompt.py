"""What a judge is shown: texts behind a fence, questions as their policy words them.

What is judged cannot close the fence around itself, nor begin a turn or a response of its own:
marks like the fence's lose their angles, and those like a turn's stand behind a ">".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline.files.errors import InputError
from trueline.files.lines import read_text
from trueline.records.types import ROLES, Example, Message, Question

if TYPE_CHECKING:
    import jinja2

# Linear in the text: no two neighbours match the same characters.
_GAP = r"[\s\u200b-\u200f\u2060\ufeff]*"
_FENCE = re.compile(rf"<({_GAP}(?:/{_GAP})?text\b[^<>]*)>", re.IGNORECASE)
_BREAKS = r"\r\v\f\x1c-\x1e\x85\u2028\u2029"
_MARK = re.compile(
    rf"((?:^|[{_BREAKS}])[^\S\n{_BREAKS}]*)"
    rf"(\[(?:{'|'.join(ROLES)})\]|\[calls\b|\((?:(?:first|second) )?response\))",
    re.IGNORECASE | re.MULTILINE,
)
BLOCKS = ("system", "user", "repair")


def fenced(example: Example, about: Sequence[int] = ()) -> str:
    """The prompt, and the responses that are judged, as one text.

    A prompt alone is shown bare where it is a user's; with responses each turn has its role, and
    of two responses each has its place, in the order of `about`.
    """
    if not about:
        shown = [_bare(m) if m.role == "user" else _turn(m) for m in example.prompt]
    else:
        shown = [_turn(m) for m in example.prompt]
        for place, i in zip(("first", "second"), about, strict=False):
            turns = [_turn(m) for m in example.responses[i].messages]
            title = [f"({place} response)"] if len(about) > 1 else ["(response)"]
            shown += title + turns
    return _FENCE.sub(r"(\1)", "\n\n".join(shown))


def _bare(message: Message) -> str:
    calls = [f"[calls {_quoted(f'{call.name}] {call.arguments}')}" for call in message.tool_calls]
    content = _quoted(message.content)
    return "\n".join([content, *calls] if content or not calls else calls)


def _quoted(text: str) -> str:
    return _MARK.sub(r"\1> \2", text)


def _turn(message: Message) -> str:
    return f"[{message.role}] {_bare(message)}"


def form(question: Question) -> str:
    """How the answer is to be written."""
    match question.kind:
        case "yes-no":
            return '"yes" or "no"'
        case "one-of":
            return "one of " + ", ".join(f'"{option}"' for option in question.options)
        case "some-of":
            named = ", ".join(f'"{option}"' for option in question.options)
            return f"a list of those that hold, or an empty list: {named}"
        case "scale":
            return "one of " + ", ".join(map(str, question.levels))
        case "number":
            return "a number"
        case "preference":
            return '"first", "second" or "tie"'


def condition(question: Question) -> str:
    """Where the question is asked, in words; empty where always."""
    words = {True: "yes", False: "no"}
    said = [
        f"{name} is {words[value] if isinstance(value, bool) else value}"
        for name, value in question.when.items()
    ]
    return " and ".join(said)


class Template:
    """The words around questions and texts: the package's, or a Jinja file of the user's.

    Such a file defines the blocks `system`, `user` and `repair`; they are given `text`,
    `questions` (each with id, ask, form, condition and anchors) and, for `repair`, `why`.  What is
    judged is passed as data: Jinja marks in it are text.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.name = "written.jinja" if path is None else str(path)
        if path is None:
            file = resources.files("trueline").joinpath(f"labellers/judge/{self.name}")
            self.source = file.read_text(encoding="utf-8")
        else:
            self.source = read_text(path)

    @cached_property
    def _blocks(self) -> jinja2.Template:
        import jinja2  # where it is needed, so that the command line starts without it

        try:
            found = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(self.source)
        except jinja2.TemplateSyntaxError as error:
            raise InputError(f"{self.name}, line {error.lineno}: {error.message}") from error
        if missing := [name for name in BLOCKS if name not in found.blocks]:
            raise InputError(
                f"{self.name}: there is no block {missing[0]!r}; a judge's template defines "
                + ", ".join(BLOCKS)
            )
        return found

    def render(self, block: str, questions: Sequence[Question], **more: str) -> str:
        """The words of one block; InputError where the template asks for what there is not."""
        asked: list[dict[str, Any]] = [
            {
                "id": question.id,
                "ask": question.ask,
                "form": form(question),
                "condition": condition(question),
                "anchors": question.anchors,
            }
            for question in questions
        ]
        from jinja2 import TemplateError

        template = self._blocks
        try:
            context = template.new_context({"questions": asked, **more})
            return "".join(template.blocks[block](context)).strip()
        except TemplateError as error:
            raise InputError(f"{self.name}, block {block!r}: {error}") from error
