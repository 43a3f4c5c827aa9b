"""Charge inference time to the simulation clock.

An answer computed from the frame at ``t`` is applied at ``t + latency``; until then the last one holds, and an agent
that is still busy is not asked again. The default charges the figures of the agent's card, so that a run repeats on
any machine; ``measured`` charges what this machine needed, ``fixed:80`` a number of one's own. These words are read in
``testbed/core/latency_spec.py``.
"""

from __future__ import annotations

import math

import numpy as np

from testbed.core.latency_spec import LatencySpec
from testbed.core.types import AgentCard

Z95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""


class LatencyModel:
    """Draw the latency of each decision of one episode.

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
