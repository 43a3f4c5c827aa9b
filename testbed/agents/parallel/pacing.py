"""An agent at its own rate: asked whenever it is done with its last picture, heard when the simulation clock says so.

Nothing depends on wall time: the answer to the picture of time t is computed at once and kept back until t + latency,
so that a drive repeats on any machine.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from testbed.agents.parallel.arbiter import SecondOpinion
from testbed.core.answer_check import blamed, check_answers
from testbed.core.latency_draw import LatencyDraw
from testbed.core.latency_spec import LatencySpec
from testbed.core.types import Agent, Observation, Opinion

STREAM = 0x510E
"""Tells the slow agent's latencies from those that the episode charges, which have the same seed."""


def ask(agent: Agent, observation: Observation) -> Opinion:
    """Return what an agent says about an observation; it is shown ground truth only if its card asks for it.

    Raises:
        AgentError: If it breaks the protocol.
    """
    shown = observation if agent.card.needs_truth else dataclasses.replace(observation, truth=None)
    with blamed(agent):
        said = agent.perceive(shown)
    check_answers(said, agent.card.name)
    return Opinion(
        frame=observation.frame,
        t_s=observation.t_s,
        steering=said.steering,
        vehicle=said.vehicle,
        sign=said.sign,
        sign_id=observation.sign_id if said.sign is not None else None,
        raw=dict(said.raw),
        unparsable=said.unparsable,
    )


class PacedAgent:
    """Ask an agent as often as it can answer.

    Args:
        agent: Any agent.
        latency: What an answer costs, anything but ``measured``.
    """

    def __init__(self, agent: Agent, latency: LatencySpec) -> None:
        """Ask nothing yet."""
        self._agent = agent
        self._latency = latency
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin an episode; ``seed`` fixes the agent's chance and the latencies."""
        with blamed(self._agent):
            self._agent.reset(seed)
        spec = self._latency
        latency_ms = (spec.p50_ms, spec.p95_ms) if spec.stated else self._agent.card.latency_ms
        self._draw = LatencyDraw(latency_ms, np.random.default_rng([seed, STREAM]))
        self._newest: SecondOpinion | None = None
        self._pending: tuple[float, SecondOpinion] | None = None

    def newest(self, observation: Observation, fast: Opinion) -> SecondOpinion | None:
        """Return what is ready at the time of an observation, and ask about the observation if the agent is idle.

        Args:
            observation: The present one.
            fast: What the fast agent says about it.
        """
        self._collect(observation.t_s)
        if self._pending is None:
            ready_s = observation.t_s + self._draw.draw_ms() / 1e3
            self._pending = (ready_s, SecondOpinion(ask(self._agent, observation), fast))
            self._collect(observation.t_s)
        return self._newest

    def _collect(self, t_s: float) -> None:
        if self._pending is not None and self._pending[0] <= t_s + 1e-9:
            self._newest, self._pending = self._pending[1], None
