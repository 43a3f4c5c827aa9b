"""Charges inference time to the simulation clock.

An answer computed from the frame at ``t`` is applied at ``t + latency``; until then the last one holds, and an agent
that is still busy is not asked again. The default charges the figures of the agent's card, so that a run repeats on
any machine; ``measured`` charges what this machine needed, ``fixed:80`` a number of one's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from testbed.core.errors import UsageError
from testbed.core.types import AgentCard

Z95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class LatencySpec:
    """How inference time is charged: ``card``, ``measured`` or ``fixed`` milliseconds."""

    kind: str
    fixed_ms: float = 0.0

    @classmethod
    def parse(cls, text: str) -> LatencySpec:
        """Read ``card``, ``measured`` or ``fixed:80``.

        Raises:
            UsageError: If the text is none of these.
        """
        if text in ("card", "measured"):
            return cls(text)
        kind, _, number = text.partition(":")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if kind != "fixed" or not 0.0 <= value < 60000.0:
            raise UsageError(f"latency {text!r} is not understood", hint="use card, measured or fixed:80 (in ms)")
        return cls("fixed", value)


class LatencyModel:
    """Draws the latency of each decision of one episode.

    With ``card`` the draw is log-normal through the card's p50 and p95, from a stream seeded by the episode.

    Args:
        spec: How to charge.
        card: Card of the agent.
        seed: Episode seed.
    """

    def __init__(self, spec: LatencySpec, card: AgentCard, seed: int) -> None:
        """Prepare the distribution."""
        self._spec = spec
        p50_ms, p95_ms = card.latency_ms
        self._median_ms = p50_ms
        self._sigma = math.log(p95_ms / p50_ms) / Z95 if p95_ms > p50_ms > 0.0 else 0.0
        self._rng = np.random.default_rng([seed, 0x1A7E])

    def charge_ms(self, measured_ms: float) -> float:
        """Return the latency to charge for a decision that took ``measured_ms`` on this machine."""
        if self._spec.kind == "fixed":
            return self._spec.fixed_ms
        if self._spec.kind == "measured":
            return measured_ms
        draw = float(self._rng.normal())
        return self._median_ms * math.exp(self._sigma * draw)
