"""Charge inference time to the simulation clock.

An answer computed from the frame at ``t`` is applied at ``t + latency``; until then the last one holds, and an agent
that is still busy is not asked again. The default charges the figures of the agent's card, so that a run repeats on
any machine; ``measured`` charges what this machine needed, a profile or ``fixed:80`` a figure of its own. These words
are read in ``testbed/core/latency_spec.py``.

A deadline (``testbed/core/deadline.py``) counts the decisions that take longer than its budget, and says whether their
answers still count.
"""

from __future__ import annotations

import numpy as np

from testbed.core.deadline import Deadline
from testbed.core.latency_draw import LatencyDraw
from testbed.core.latency_spec import LatencySpec
from testbed.core.types import AgentCard


class LatencyModel:
    """Draw the latency of each decision of one episode.

    With ``card``, and where a p95 is stated, the draw is log-normal through p50 and p95, from a stream seeded by the
    episode.

    Args:
        spec: How to charge.
        card: Card of the agent.
        seed: Episode seed.
    """

    def __init__(self, spec: LatencySpec, card: AgentCard, seed: int) -> None:
        """Prepare the distribution."""
        self._measured = spec.name == "measured"
        latency_ms = (spec.p50_ms, spec.p95_ms) if spec.stated else card.latency_ms
        self._draw = LatencyDraw(latency_ms, np.random.default_rng([seed, 0x1A7E]))

    def charge_ms(self, measured_ms: float) -> float:
        """Return the latency to charge for a decision that took ``measured_ms`` on this machine."""
        if self._measured:
            return measured_ms
        return self._draw.draw_ms()


class DeadlineKeeper:
    """Hold the decisions of one episode to a deadline and count those that miss it.

    Args:
        deadline: The deadline; None lets every answer through and counts nothing.
    """

    def __init__(self, deadline: Deadline | None) -> None:
        """Begin with nothing counted."""
        self._deadline = deadline
        self._asked = 0
        self._misses = 0
        self._dropped = 0

    def admits(self, charged_ms: float) -> bool:
        """Count a decision that takes so long and tell whether its answer is to reach the driver."""
        if self._deadline is None:
            return True
        late = charged_ms > self._deadline.budget_ms + 1e-6
        dropped = late and self._deadline.policy == "drop"
        self._asked += 1
        self._misses += late
        self._dropped += dropped
        return not dropped

    def scores(self) -> dict[str, float | int | str | bool | None]:
        """Return the counts, nothing without a deadline.

        ``deadline.asked`` counts decisions begun, so an answer that was still being computed when the drive ended is
        among them, and among ``deadline.misses`` where it takes longer than the budget.
        """
        if self._deadline is None:
            return {}
        return {"deadline.asked": self._asked, "deadline.misses": self._misses, "deadline.dropped": self._dropped}
