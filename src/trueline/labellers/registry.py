"""A labeller from its name: kinds are plug-ins, and failures are handled here for all of them."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

from msgspec import Struct

from trueline.files import plugins
from trueline.files.errors import InputError
from trueline.files.plugins import Family
from trueline.labellers.checks import CHECKS
from trueline.labellers.contract import Labeller
from trueline.labellers.guarded import Guarded
from trueline.labellers.judge.judge import SAMPLING
from trueline.labellers.targets import QuestionSet
from trueline.models.contract import Model
from trueline.models.open import without_key
from trueline.policy.types import Policy
from trueline.records.types import Question, Sampling
from trueline.runs.context import RunContext
from trueline.runs.record import Input

KINDS = Family(
    "kind of labeller",
    "trueline.labellers.kinds",
    "trueline.labellers",
    ("FORM", "HELP", "open_labeller"),
    reserved=("nano", "hf", "http", "https", "scripted"),  # they begin the names of models
)
CHECK, JUDGE = "check", "judge"
"""The two kinds that need no prefix: a check's name, and any other name, which is a model's."""


class Judging(Struct, frozen=True, kw_only=True):
    """How models judge: in a template of the user's, writing even if they could tell by
    likelihood, in at most so many tokens."""

    template: Path | None = None
    write: bool = False
    tokens: int = 1024

    @property
    def sampling(self) -> Sampling:
        return Sampling(SAMPLING.temperature, max_tokens=self.tokens)


class LabellerContext(Struct, frozen=True):
    """What a kind may use to open a labeller: the questions that it will be asked, the policy that
    they are of, and `model`, which opens a model by its name; who opened it closes it.  With `own`
    it is asked the Examples' own questions too, which it is to answer as far as it can."""

    questions: Sequence[Question]
    policy: Policy
    model: Callable[[str], Model]
    judging: Judging = Judging()
    own: bool = False


@asynccontextmanager
async def open_labeller(
    name: str, context: LabellerContext, *, retry_later: bool = False
) -> AsyncIterator[Labeller]:
    """The labeller that `name` names, ready to answer the questions.

    With `retry_later`, calls that failed for now raise Transient, for runs that ask again.
    Raises InputError for a name, a file, an extra or a question that cannot be used: all before a
    run begins its folder.
    """
    kind, rest = _find_kind(name)
    async with AsyncExitStack() as stack:
        try:
            instrument = await stack.enter_async_context(kind.open_labeller(rest, context))
        except InputError as error:
            raise InputError(f"{error}{_near(name)}") from error
        instrument.check_answerable(context.questions)
        yield Guarded(instrument, retry_later)


async def enter_labeller(
    context: RunContext,
    name: str,
    asked: QuestionSet,
    judging: Judging | None = None,
    *,
    retry_later: bool = False,
) -> Labeller:
    """The labeller of this name, opened once and until the run of the context ends."""
    model, how = partial(context.model, role="judge"), judging or Judging()
    given = LabellerContext(asked.policy, context.policy, model, how, asked.own)
    ids = tuple(question.id for question in asked.policy)
    key = (name, ids, asked.own, how, retry_later)
    return await context.enter(key, open_labeller(name, given, retry_later=retry_later))


def labeller_input(labeller: Labeller) -> Input:
    """The labeller as an input of a run; code, whose error no card says, is a "code labeller"."""
    by = labeller.by
    kind = "labeller" if labeller.measured else "code labeller"
    return Input(without_key(by.name), kind, by.instrument or "")


def describe_kinds() -> str:
    """How labellers are named, a line a kind, for help texts."""
    kinds = plugins.modules(KINDS)
    order = sorted(kinds, key=lambda name: (name in (CHECK, JUDGE), name))
    width = max(len(kinds[name].FORM) for name in order)
    return "\n".join(f"  {kinds[name].FORM:{width}}  {kinds[name].HELP}" for name in order)


def _find_kind(name: str) -> tuple[ModuleType, str]:
    """The kind of a labeller and what stands after its prefix."""
    prefix, _, rest = name.partition(":")
    if prefix in plugins.names(KINDS):
        return plugins.find(KINDS, prefix), rest
    return plugins.find(KINDS, CHECK if name in plugins.names(CHECKS) else JUDGE), name


def _near(name: str) -> str:
    """Names that a misspelt one may have meant, as an addition to an error."""
    known = [*plugins.names(KINDS), *plugins.names(CHECKS)]
    prefix = name.partition(":")[0]
    near = difflib.get_close_matches(prefix, known, 3, 0.7) if prefix not in known else []
    return f"\nDid you mean {' or '.join(near)}?" if near else ""
