"""What a run says while it goes on: rate, spend and time left, on stderr."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType

from trueline.ledger.client import LedgerClient

EVERY = 0.5  # seconds between two looks; a log, which keeps every line, gets one in twenty


def say(text: str) -> None:
    """Write to stderr; a run does not end because nobody listens (a closed pipe or terminal)."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(text, end="", file=sys.stderr, flush=True)


class Progress:
    """One line that is rewritten on a terminal; a line every ten seconds in a log."""

    def __init__(self, total: int | None, ledger: LedgerClient | None, quiet: bool) -> None:
        self.total, self.ledger, self.quiet = total, ledger, quiet
        self.done = self.rejected = 0
        self.started = self.last = time.monotonic()
        self.terminal = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._say()
        if self.terminal and not self.quiet:
            say("\n")

    def advance(self, rejected: bool) -> None:
        """One more item has come out of the stream."""
        self.done += 1
        self.rejected += rejected
        interval = EVERY if self.terminal else 20 * EVERY
        if time.monotonic() - self.last >= interval:
            self._say()

    def line(self) -> str:
        """The state of the run in one line."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = self.done / seconds
        of = f"/{self.total:,}" if self.total else ""
        parts = [f"{self.done:,}{of} rows", f"{self.rejected:,} rejected", f"{rate:,.1f}/s"]
        if self.ledger is not None:
            used = self.ledger.account.used
            parts.append(f"{used['calls']:,.0f} calls, {used['tokens']:,.0f} tokens")
            if used["money"]:
                parts.append(f"{used['money']:,.2f} spent")
        if self.total and self.done < self.total and rate:
            left = int((self.total - self.done) / rate)
            parts.append(f"{left // 60}:{left % 60:02d} left")
        return " · ".join(parts)

    def _say(self) -> None:
        if self.quiet:
            return
        self.last = time.monotonic()
        say(f"\r\033[K{self.line()}" if self.terminal else f"{self.line()}\n")
