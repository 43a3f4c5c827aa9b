"""How long an answer takes when a card's figures are charged: one distribution, whoever draws from it.

Log-normal through the card's 50th and 95th percentile; a card whose percentiles are equal, or whose median is 0, always
gives its median.
"""

from __future__ import annotations

import math

import numpy as np

Z95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""


class LatencyDraw:
    """Draw latencies from one stream.

    Args:
        latency_ms: (p50, p95) as on a card.
        rng: The only source of chance; every draw takes one number from it.
    """

    def __init__(self, latency_ms: tuple[float, float], rng: np.random.Generator) -> None:
        """Prepare the distribution."""
        p50_ms, p95_ms = latency_ms
        self._median_ms = p50_ms
        self._sigma = math.log(p95_ms / p50_ms) / Z95 if p95_ms > p50_ms > 0.0 else 0.0
        self._rng = rng

    def draw_ms(self) -> float:
        """Return the next latency."""
        return self._median_ms * math.exp(self._sigma * float(self._rng.normal()))
