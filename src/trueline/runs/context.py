"""What the stages of a run are made with: policy, ledger, models, and whatever must be closed."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from trueline.ledger.client import LedgerClient
from trueline.models.contract import Model
from trueline.models.open import open_model, without_key
from trueline.models.roles import Role
from trueline.models.scripted import Scripted
from trueline.policy.types import Policy
from trueline.runs.options import Caps
from trueline.runs.record import Input, made_by
from trueline.runs.stage import Bound, Calls, Made, Stage

T = TypeVar("T")


class RunContext:
    """Opens what the stages need, each thing once, and closes it at the end.

    Without a ledger, calls are not recorded.  With `dry`, models are named and not opened, so that
    stages can be made to ask what they would cost.
    """

    def __init__(
        self,
        policy: Policy,
        caps: Caps | None = None,
        ledger: LedgerClient | None = None,
        *,
        dry: bool = False,
    ) -> None:
        self.policy, self.caps, self.ledger, self._dry = policy, caps or Caps(), ledger, dry
        self._models: dict[str, Model] = {}
        self._roles: dict[tuple[str, Role], None] = {}
        self._made: dict[str, Made] = {}
        self._kept: dict[Hashable, Any] = {}
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._opened.aclose()
        finally:
            for model in self._models.values():
                await model.close()

    @property
    def window(self) -> int:
        """Examples under way: enough that a slow call at the head does not idle the rest."""
        return 4 * self.caps.concurrency

    def model(self, name: str, role: Role = "target") -> Model:
        """The model of this name, opened once, whatever the roles in which it is used."""
        self._roles[name, role] = None
        if name not in self._models:
            self._models[name] = _name_model(name) if self._dry else self._open_model(name)
        return self._models[name]

    def _open_model(self, name: str) -> Model:
        return open_model(
            name,
            self.ledger,
            concurrency=self.caps.concurrency,
            timeout_s=self.caps.timeout,
            hedge_s=self.caps.hedge_after,
        )

    async def enter(self, key: Hashable, manager: AbstractAsyncContextManager[T]) -> T:
        """Opens something (a labeller, say) until the run ends; once for each key."""
        if key not in self._kept:
            self._kept[key] = await self._opened.enter_async_context(manager)
        kept: T = self._kept[key]
        return kept

    async def make(self, stage: Stage) -> Made:
        """The step or table of a stage, made once; stages of one run have different names."""
        if stage.name not in self._made:
            made = stage.make(self)
            self._made[stage.name] = await made if inspect.isawaitable(made) else made
        return self._made[stage.name]

    def window_of(self, stage: Stage, made: Made) -> int:
        """How many Examples a stage may have under way."""
        window = stage.window or self.window
        parallel = made.parallel if isinstance(made, Calls) else None
        return window if parallel is None else min(window, parallel)

    def inputs(self) -> tuple[Input, ...]:
        """The policy, and the models and labellers that were opened so far."""
        models = [
            Input(without_key(name), f"{role} model", self._models[name].identity, _model_run(name))
            for name, role in sorted(self._roles)
        ]
        labellers = [
            given
            for made in self._made.values()
            if isinstance(made, Calls)
            for given in made.inputs
        ]
        return (Input("policy", "policy", self.policy.identity), *models, *labellers)


async def bound_stages(stages: Sequence[Stage], policy: Policy) -> dict[str, Bound]:
    """What one Example could cost at most, by the models of the stages; nothing is opened."""
    found: dict[str, Bound] = {}
    async with RunContext(policy, dry=True) as context:
        for stage in stages:
            made = await context.make(stage)
            if isinstance(made, Calls):
                for name, bound in made.bounds.items():
                    found[f"{without_key(name)} ({stage.name})"] = bound
    return found


def format_bounds(rows: int, bounds: dict[str, Bound]) -> str:
    """What a run of so many rows could cost at most, as a table."""
    lines = [
        f"at most, for {rows:,} rows, before retries (hits in the ledger are free, rejects cost "
        "less):"
    ]
    total = Bound()
    for name, each in bounds.items():
        all_rows = each * rows
        total += all_rows
        lines.append(f"  {name}: {all_rows.calls:,} calls, {all_rows.tokens:,} completion tokens")
    return "\n".join(
        [*lines, f"  in all: {total.calls:,} calls, {total.tokens:,} completion tokens"]
    )


def _name_model(name: str) -> Model:
    return Scripted(_refuse_call, identity=name)


def _refuse_call(*_: object) -> str:
    raise AssertionError("a dry run calls no model")


def _model_run(name: str) -> str | None:
    """The identity of the run that trained a model, if it is a folder that a run wrote."""
    return None if "://" in name else made_by(Path(name))
