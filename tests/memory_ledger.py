"""A second ledger client: it keeps all that `LedgerClient` promises, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from trueline.ledger.budget import Account, Bound, Budget
from trueline.ledger.client import Ask
from trueline.ledger.summary import Spend


class MemoryLedger:
    """Keeps answers by key."""

    def __init__(self, run: str = "memory", budget: Budget | None = None) -> None:
        self.run, self.account = run, Account(budget or Budget(), 0, 0, 0.0)
        self.answers: dict[bytes, bytes] = {}
        self.attempts: list[tuple[str, Bound, bool, dict[str, float]]] = []
        self.ended: dict[str, Spend] = {}
        self.hits = 0
        self.is_closed = False

    async def once(self, model: str, keys: Sequence[bytes], ask: Ask) -> list[bytes]:
        place = 0
        while place < len(keys):
            if keys[place] in self.answers:
                self.hits += 1
                place += 1
                continue
            end = place
            while end < len(keys) and keys[end] not in self.answers:
                end += 1
            for answer in await ask(place, end - place):
                self.answers[keys[place]] = answer
                place += 1
        return [self.answers[key] for key in keys]

    async def begin(self, model: str, most: Bound, *, paid: bool) -> int:
        self.attempts.append((model, most, paid, await self.account.reserve(model, most, paid)))
        return len(self.attempts) - 1

    def end(
        self,
        number: int,
        *,
        error: str | None = None,
        prompt: int | None = None,
        completion: int | None = None,
        answers: int = 0,
    ) -> None:
        model, most, paid, reserved = self.attempts[number]
        prompt = most.prompt if prompt is None else prompt
        completion = (most.completion or 0) if completion is None else completion
        self.account.settle(
            reserved, prompt + completion, self.account.money(model, prompt, completion, paid)
        )
        before = self.ended.get(model, Spend(self.run, model))
        self.ended[model] = Spend(
            self.run,
            model,
            calls=before.calls + (error is None),
            answers=before.answers + answers,
            attempts=before.attempts + 1,
            prompt_tokens=before.prompt_tokens + prompt,
            completion_tokens=before.completion_tokens + completion,
        )

    async def close(self) -> None:
        self.is_closed = True

    def spend(self) -> list[Spend]:
        return list(self.ended.values())
