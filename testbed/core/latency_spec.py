"""The one grammar of latency: ``card``, ``measured`` or ``fixed:80`` (milliseconds).

Scenario files, sweeps, the command line and episode plans all say in these words how inference time is charged to the
simulation clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from testbed.core.errors import UsageError

LATENCY_PATTERN = r"^(card|measured|fixed:[0-9]+(\.[0-9]+)?)$"
"""The grammar, in the syntax that Python, pydantic and JSON schemas share."""

LATENCY_WORDS = "card, measured or fixed:80 (milliseconds)"
"""The grammar for people."""

MOST_MS = 60000.0
"""A minute or more is no latency of a driver."""


@dataclass(frozen=True, slots=True)
class LatencySpec:
    """How inference time is charged.

    Attributes:
        kind: ``card``, ``measured`` or ``fixed``.
        fixed_ms: Milliseconds, where it is fixed.
    """

    kind: str
    fixed_ms: float = 0.0

    @classmethod
    def parse(cls, text: str) -> LatencySpec:
        """Read ``card``, ``measured`` or ``fixed:80``.

        Raises:
            UsageError: If the text is none of these, or a fixed latency of a minute or more.
        """
        kind, _, number = text.partition(":")
        if "\n" in text or not re.match(LATENCY_PATTERN, text) or float(number or 0.0) >= MOST_MS:
            raise UsageError(f"latency {text!r} is not understood", hint="use card, measured or fixed:80 (in ms)")
        return cls(kind, float(number or 0.0))
