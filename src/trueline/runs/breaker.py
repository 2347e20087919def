"""The circuit breaker: a run in which every call fails ends."""

from __future__ import annotations

from trueline.models.contract import Fatal, ModelError


class CircuitBreaker:
    """Ends a run after LIMIT failed calls in a row: then the rows are not at fault, and to reject
    all the others would be a result that nobody wants."""

    LIMIT = 50

    def __init__(self) -> None:
        self._failures = 0

    def record_success(self) -> None:
        self._failures = 0

    def record_failure(self, error: ModelError) -> None:
        """Raises Fatal if this was one failure too many."""
        self._failures += 1
        if self._failures >= self.LIMIT:
            raise Fatal(f"{self._failures} calls in a row failed, the last: {error}") from error
