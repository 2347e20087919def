"""When a call that failed is tried again: back-off with jitter, and Retry-After."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_S = 0.5
LONGEST_S = 60.0


def delay(tries: int, retry_after: float | None) -> float:
    """Seconds until try number `tries + 1`: what the server asks for, else (it asks for nothing,
    or for no wait at all) twice as long each time; a random part on top keeps many callers from
    returning together."""
    wait = retry_after or min(FIRST_S * 2.0 ** min(tries - 1, 30), LONGEST_S)
    return wait * random.uniform(1.0, 1.25) + random.uniform(0.0, 0.05)


def retry_after(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or an HTTP date; None without one."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # a year of twenty digits
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
