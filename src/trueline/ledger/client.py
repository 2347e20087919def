"""What a run needs of a ledger: the protocol that models and runs are written against.

`sqlite.Ledger` is the ledger of this machine.  Any other client (of a ledger server, or one in
memory) must keep the same promises: an answer is handed on only after it is kept, and an attempt
under a cap is booked before it is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from trueline.ledger.budget import Account, Bound
from trueline.ledger.summary import Spend

Ask = Callable[[int, int], Awaitable[Sequence[bytes]]]
"""Fetches `count` answers from number `start` on, at least one of them."""


class LedgerClient(Protocol):
    """A run's client of a ledger; `run` names the run, `account` is what it has spent so far."""

    @property
    def run(self) -> str: ...

    @property
    def account(self) -> Account: ...

    async def once(self, model: str, keys: Sequence[bytes], ask: Ask) -> list[bytes]:
        """The answers of the keys; only those are asked for that nobody has paid for."""
        ...

    async def begin(self, model: str, most: Bound, *, paid: bool) -> int:
        """Books an attempt that is about to be sent; the number is for `end`.

        Raises BudgetSpent if a cap could be exceeded.
        """
        ...

    def end(
        self,
        number: int,
        *,
        error: str | None = None,
        prompt: int | None = None,
        completion: int | None = None,
        answers: int = 0,
    ) -> None:
        """Books how an attempt ended; unknown tokens (None) count at their bound."""
        ...

    async def close(self) -> None:
        """Keeps all that is queued; may be called twice."""
        ...

    def spend(self) -> list[Spend]:
        """What the run has spent, by model; after `close` this includes everything."""
        ...
