"""How many calls a host takes at once: found by trying, and shared by all that call the host.

A server that refuses (429) takes only so many at a time, or only so many a minute, or none for
now; or it refuses a call here and there, whatever the load.  The last must not slow the other
calls down; the rest must, and soon.  So refusals are counted in rounds of about as many calls as
may be under way:

- Many refused while others, sent earlier, go on: so many are taken.  The limit falls to those.  It
  is then raised step by step; a step that brings more refusals is taken back, and tried again
  after twice the time.
- Many refused and nothing taken, twice in a row: the limit falls by halves, and the host rests for
  as long as the server asks, else a quarter as long again as that has lasted.

Scattered refusals hold back their own call only.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import deque

FEWEST = 5  # refusals that are no accident
MANY = 0.2  # the share of a round that is none
PROBE_S = 0.1  # between two steps up, once one has failed; doubles with each that fails
RARELY_S = 15.0
REST_S = 0.25  # the first rest of a host that takes nothing
LONGEST_REST_S = 30.0  # of those that the server has not asked for


class Limiter:
    """The calls under way at one host: at most `most`, fewer where the host takes fewer.

    `await enter()` gives a ticket when the call may be sent, in the order of asking; `leave`
    takes it back and hears how the call went.
    """

    def __init__(self, most: int) -> None:
        self.most = self.limit = most
        self._loop = asyncio.get_running_loop()
        self.resting = 0.0  # until when, on the loop's clock
        self._tickets = itertools.count()
        self._flying: dict[int, float] = {}  # ticket: when it was sent
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._seen = self._refused = 0  # in this round
        self._usual = 0.0  # the share that quiet rounds refuse
        self._changed = 0.0  # what was sent before tells of another limit
        self._refusal_s = math.inf  # the shortest that a refusal has taken
        self._good: int | None = None  # the limit before a step up that is on trial
        self._step, self._probe_s, self._probe_at = 1, PROBE_S, 0.0
        self._suspect = False  # a burst may meet a small limit before any answer shows it
        self._storm: float | None = None  # since when nothing at all has been taken
        self._stable = most  # the limit of the last quiet round

    def allow(self, most: int) -> None:
        """Another client of the host, which may have so many calls under way."""
        if self.limit == self.most:
            self.limit = max(most, self.most)
        self.most = max(most, self.most)

    async def enter(self) -> int:
        """Returns when the call may be sent."""
        now = self._loop.time()
        if not self._waiting and len(self._flying) < self.limit and self.resting <= now:
            return self._ticket(now)
        turn: asyncio.Future[int] = self._loop.create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(turn.result())
            raise

    def leave(
        self, ticket: int, *, refused: bool | None = None, after: float | None = None
    ) -> None:
        """The call has ended.  `refused`: the host took no more just then (None: it cannot be
        told); `after`: the seconds that it asks to wait, if it does."""
        sent, now = self._flying.pop(ticket), self._loop.time()
        if refused is not None and sent >= self._changed:
            self._count(refused, now - sent, after, now)
        if refused is False:
            self._storm, self._suspect = None, False
        self._admit()

    def _admit(self) -> None:
        """Lets in whoever may go."""
        now = self._loop.time()
        while self._waiting and len(self._flying) < self.limit and self.resting <= now:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self._ticket(now))
        if self._waiting and self.resting > now and self._alarm is None:
            self._alarm = self._loop.call_at(self.resting + 0.001, self._rested)

    def _ticket(self, now: float) -> int:
        ticket = next(self._tickets)
        self._flying[ticket] = now
        return ticket

    def _rested(self) -> None:
        self._alarm = None
        self._admit()

    # ---- the limit ---------------------------------------------------------------------------

    def _count(self, refused: bool, seconds: float, after: float | None, now: float) -> None:
        self._seen += 1
        self._refused += refused
        if refused:
            self._refusal_s = min(self._refusal_s, seconds)
        elif self._storm is not None:
            # It takes calls again: half of what it took before is a good place to go on from.
            self._set(max(self.limit, self._stable // 2), now)
            return
        # Refusals come back at once and answers late: those that are on their way count too.
        coming = self._taken(now, self._changed) if refused else 0
        usual = self._usual * (self._seen + coming)
        whole = max(self.limit, 4 * FEWEST)
        too_many = refused and self._refused > 2 + usual + 2 * math.sqrt(usual)
        if too_many and self._good is not None:
            self._step_back(now)
        elif refused and (
            self._storm is not None
            or self._refused >= max(FEWEST, MANY * max(whole, self._seen + coming))
            or (self._refused == self._seen >= FEWEST and not coming)
        ):
            self._shrink(after, now)
        elif self._seen >= whole:
            self._quiet(now)

    def _step_back(self, now: float) -> None:
        good, self._good = self._good, None
        self._set(good or 1, now)
        self._step, self._probe_at = 1, now + self._probe_s
        self._probe_s = min(2 * self._probe_s, RARELY_S)

    def _shrink(self, after: float | None, now: float) -> None:
        """Many were refused."""
        taken = self._taken(now)
        if not taken and self._refused == self._seen:
            if self._suspect:
                self._storm = now if self._storm is None else self._storm
                rest = after or min(max(REST_S, (now - self._storm) / 4), LONGEST_REST_S)
                self.resting = max(self.resting, now + rest * random.uniform(1.0, 1.1))
            self._suspect = True
        self._good, self._step, self._probe_s, self._probe_at = None, 1, PROBE_S, now
        self._set(max(1, min(taken or self.limit // 2, self.limit - 1)), now)

    def _taken(self, now: float, since: float = 0.0) -> int:
        """How many calls sent since then have been under way for too long to be refused still."""
        until = now - 4 * self._refusal_s
        return sum(since <= sent < until for sent in self._flying.values())

    def _quiet(self, now: float) -> None:
        """A round has gone by with no more refusals than usual: try a step up."""
        self._usual += 0.3 * (self._refused / self._seen - self._usual)
        if self._good is not None:  # the step up was right, so make the next one longer
            self._good, self._step, self._probe_s = None, 2 * self._step, PROBE_S
        self._seen = self._refused = 0
        self._stable = self.limit
        if self.limit < self.most and now >= self._probe_at:
            self._good = self.limit
            self._set(min(self.limit + self._step, self.most), now)

    def _set(self, limit: int, now: float) -> None:
        self.limit, self._changed = limit, now
        self._seen = self._refused = 0


_hosts: dict[tuple[asyncio.AbstractEventLoop, str], tuple[Limiter, int]] = {}


def join_host(host: str, most: int) -> Limiter:
    """The limiter of the host in the running event loop; `leave_host` when done."""
    key = asyncio.get_running_loop(), host
    limiter, clients = _hosts.get(key) or (Limiter(most), 0)
    limiter.allow(most)
    _hosts[key] = limiter, clients + 1
    return limiter


def leave_host(host: str, loop: asyncio.AbstractEventLoop) -> None:
    """A client of the host goes; with the last one, what was learnt of it is forgotten."""
    limiter, clients = _hosts.pop((loop, host))
    if clients > 1:
        _hosts[loop, host] = limiter, clients - 1
