"""A labeller from its name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from trueline.files.errors import InputError
from trueline.labellers.contract import Labeller
from trueline.labellers.judge.judge import SAMPLING, Judge
from trueline.labellers.judge.prompt import BLOCKS, Template
from trueline.labellers.native_labels import able
from trueline.models.contract import Model
from trueline.models.open import without_key
from trueline.policy.types import Policy
from trueline.records.types import Question, Sampling

FORMS = """\
  refusal                       the bundled refusal classifier
  classifier:MODEL[?map=FILE]   a sequence classifier: a folder, or hf:ORG/NAME[@REVISION]
  guard:FORM:MODEL              a guard model, FORM being its family: llama-guard-3, wildguard, …
  grader, grader:FILE           code in the items' own tasks, or in a Python file
  MODEL                         a model as a judge: nano, hf:…, a folder, http(s)://HOST/v1#MODEL"""


class Judging(Struct, frozen=True, kw_only=True):
    """How models judge: in a template of the user's, writing where they could tell by likelihood,
    in at most so many tokens."""

    template: Path | None = None
    write: bool = False
    tokens: int = 1024

    @property
    def sampling(self) -> Sampling:
        return Sampling(SAMPLING.temperature, max_tokens=self.tokens)


@asynccontextmanager
async def open_labeller(
    name: str,
    questions: Sequence[Question],
    policy: Policy,
    model: Callable[[str], Model],
    judging: Judging | None = None,
) -> AsyncIterator[Labeller]:
    """The labeller that `name` names, ready to answer the questions.

    `model` opens a model by its name; who opened it closes it.  Raises InputError for a missing
    file or extra, a family of guards that is not known, a template that cannot be used, and for
    questions that the labeller does not answer: all before a run begins its folder.
    """
    kind, _, rest = name.partition(":")
    how = judging or Judging()
    if name == "refusal":
        from trueline.labellers.refusal.refusal import Refusal, answerable

        for question in questions:
            answerable(question)
        yield Refusal()
    elif kind == "classifier":
        from trueline.labellers.classifier import classifier

        place, _, mapping = rest.partition("?map=")
        found = classifier(place, Path(mapping) if mapping else None, policy)
        able(found.by.name, found.answers, questions)
        yield found
    elif kind == "guard":
        from trueline.labellers.guard import FORMS as FAMILIES
        from trueline.labellers.guard import Guard

        family, _, inner = rest.partition(":")
        if family not in FAMILIES or not inner:
            forms = ", ".join(sorted(FAMILIES))
            raise InputError(f"{name}: a guard is named guard:FORM:MODEL, FORM one of {forms}")
        guard = Guard(model(inner), without_key(inner), family, policy=policy)
        able(guard.by.name, guard.answers, questions)
        yield guard
    elif kind == "grader" and name in ("grader", f"grader:{rest}"):
        from trueline.labellers.grader import Grader, from_file
        from trueline.sandbox.pool import Sandbox

        if len(questions) != 1:
            raise InputError(f"{name} answers one question: name it alone in --questions")
        async with Sandbox() as sandbox:
            if rest:
                yield from_file(sandbox, Path(rest), questions[0])
            else:
                yield Grader(sandbox, questions[0])
    else:
        template = Template(how.template)
        if how.template is not None:
            for block in BLOCKS:
                template.render(block, questions, text="", why="")
        yield Judge(
            model(name),
            without_key(name),
            template=template,
            sampling=how.sampling,
            write=how.write,
        )
