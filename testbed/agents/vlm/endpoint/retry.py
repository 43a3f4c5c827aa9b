"""How often and how long a failed request is tried again: exponential backoff, or the server's word, in a budget."""

from __future__ import annotations

import datetime
import email.utils
import random
from dataclasses import dataclass

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
JITTER = 0.25
"""A wait is this share shorter or longer, by chance, so that workers that failed together do not come back together."""

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""HTTP states after which asking again may help; any other but 2xx would come again."""


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """What one request may cost.

    Attributes:
        seconds: With all tries and waits.
        tries: Most tries.
    """

    seconds: float
    tries: int

    def wait_s(self, tried: int, spent_s: float, asked_s: float | None = None) -> float | None:
        """Return how long to wait before the next try; None to give up.

        Args:
            tried: Tries so far, at least 1.
            spent_s: Seconds since the first try began.
            asked_s: What the server asked for (``Retry-After``).
        """
        if tried >= self.tries:
            return None
        wait_s = asked_s if asked_s is not None else min(FIRST_WAIT_S * 2.0 ** (tried - 1), LONGEST_WAIT_S)
        if asked_s is None:
            wait_s *= 1.0 + random.uniform(-JITTER, JITTER)
        return wait_s if spent_s + wait_s < self.seconds else None


def retry_after_s(header: str | None, now: datetime.datetime | None = None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait, as a number or a date (RFC 9110, 10.2.3).

    Args:
        header: Its value; None where there was none.
        now: Time to count from; the clock's when None.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isdecimal():
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    return max(0.0, (date - (now or datetime.datetime.now(datetime.UTC))).total_seconds())
