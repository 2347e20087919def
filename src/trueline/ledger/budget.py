"""One budget for a run: hard caps on calls, tokens and money, and what a call could cost at most.

Attempts count and hits do not.  A call that could exceed a cap is not sent; one that could only
because of others still in flight waits for those to end, since most cost less than their bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from trueline.files.errors import InputError
from trueline.records.types import Message, Sampling, Tool

TEMPLATE_TOKENS = 128  # what a server's chat template may add of its own: role marks, a date
_json = msgspec.json.Encoder()


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """Money for a million tokens, in whatever currency the cap is in."""

    input: float
    output: float


class Budget(Struct, frozen=True, forbid_unknown_fields=True):
    """The caps of a run, over all its continuations; None is no cap.

    `prices` maps a model's identity, or its name at an endpoint, or "*" for all others, to its
    price.  Models that run here are free of money.
    """

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    prices: dict[str, Price] = {}

    @property
    def capped(self) -> bool:
        return not (self.calls is None and self.tokens is None and self.money is None)

    def price(self, model: str) -> Price | None:
        """The price of the model with this identity, None where none was given."""
        _, _, name = model.partition("#")
        named = (self.prices.get(key) for key in (model, name.partition("@")[0], name, "*"))
        return next((price for price in named if price), None)


class Bound(Struct, frozen=True):
    """The most tokens one attempt could cost; `completion` None: nothing bounds the answer."""

    prompt: int
    completion: int | None


class BudgetSpent(Exception):
    """The next call could exceed a cap, so it was not sent: stop, and keep what there is."""


def bound(
    messages: Sequence[Message],
    sampling: Sampling,
    n: int = 1,
    *,
    tools: Sequence[Tool] = (),
    start: str = "",
) -> Bound:
    """The most tokens that one request for n answers could cost.

    No tokenizer makes more tokens than there are UTF-8 bytes; the JSON around the texts and
    TEMPLATE_TOKENS cover what the server's chat template adds.  A schema is part of the prompt
    (some servers charge for it), and so are tools and a begun turn.
    """
    most = None if sampling.max_tokens is None else sampling.max_tokens * n
    prompt = len(_json.encode(messages)) + len((sampling.schema or "").encode())
    if tools or start:
        prompt += len(_json.encode((tools, start))) + TEMPLATE_TOKENS * len(tools)
    return Bound(prompt + TEMPLATE_TOKENS, most)


class Account:
    """What a run has spent, and what its attempts in flight may still cost."""

    def __init__(self, budget: Budget, calls: int, tokens: int, money: float) -> None:
        self.budget = budget
        self.used: dict[str, float] = {"calls": calls, "tokens": tokens, "money": money}
        self._held: dict[str, float] = {"tokens": 0, "money": 0.0}
        self._waiting: list[asyncio.Future[None]] = []

    def money(self, model: str, prompt: int, completion: int, paid: bool) -> float:
        """What so many tokens of the model cost; 0 where it is free or has no price."""
        price = self.budget.price(model) if paid and self.budget.prices else None
        if price is None:
            return 0.0
        return (prompt * price.input + completion * price.output) / 1e6

    async def reserve(self, model: str, most: Bound, paid: bool) -> dict[str, float]:
        """Sets aside the most that an attempt could cost, and returns it for `settle`.

        Raises BudgetSpent where a cap could be exceeded, InputError where a cap in force cannot
        be held for want of `max_tokens` or of a price.
        """
        self._check(model, most, paid)
        completion = most.completion or 0
        cost = {
            "calls": 1,
            "tokens": most.prompt + completion,
            "money": self.money(model, most.prompt, completion, paid),
        }
        while any(self._over(name, cost, self._held) for name in cost):
            for name in cost:
                if self._over(name, cost, {}):
                    raise self._spent(name)
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self.used["calls"] += 1  # spent by being sent, whatever comes back
        for name in self._held:
            self._held[name] += cost[name]
        return cost

    def settle(self, reserved: dict[str, float], tokens: int, money: float) -> None:
        """Books what an attempt did cost in place of what it could have cost."""
        for name in self._held:
            self._held[name] -= reserved[name]
        self.used["tokens"] += tokens
        self.used["money"] += money
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    def _over(self, name: str, cost: dict[str, float], held: dict[str, float]) -> bool:
        cap = getattr(self.budget, name)
        total: float = self.used[name] + held.get(name, 0) + cost[name]
        return cap is not None and total > cap * (1 + 1e-12)

    def _check(self, model: str, most: Bound, paid: bool) -> None:
        budget = self.budget
        if budget.tokens is None and budget.money is None:
            return
        if most.completion is None:
            raise InputError(
                "a cap on tokens or money needs a bound on every answer: set max_tokens in the "
                "sampling, so that what a call could cost is known before it is sent"
            )
        if budget.money is not None and paid and budget.price(model) is None:
            raise InputError(
                f"a cap on money needs the price of {model}: give its price for a million input "
                "and a million output tokens, or cap calls or tokens instead"
            )

    def _spent(self, name: str) -> BudgetSpent:
        cap, used = getattr(self.budget, name), self.used[name]
        shown = f"{used:.4f} of {cap:.4f}" if name == "money" else f"{used:.0f} of {cap:.0f}"
        return BudgetSpent(
            f"the cap on {name} is reached: {shown} spent, and the next call could exceed it. "
            "To continue, run the same command with a higher cap; what was paid for is kept"
        )
