"""The agent `parallel`: one agent at every decision, another at its own rate, and an arbiter that makes one answer."""

from __future__ import annotations

from collections.abc import Callable

from testbed.agents import registry
from testbed.agents.parallel.arbiter import ArbiterMemory, arbitrate
from testbed.agents.parallel.card import check_single, joined_card
from testbed.agents.parallel.pacing import PacedAgent, ask
from testbed.agents.parallel.settings import ParallelSettings
from testbed.core.answer_check import blamed
from testbed.core.types import Agent, AgentCard, Observation, Perception


class ParallelAgent:
    """Two agents and an arbiter behind the agent protocol.

    Args:
        settings: Which agents, which policy, which thresholds.
        load_part: How they are loaded; None loads them here.
    """

    def __init__(self, settings: ParallelSettings, load_part: Callable[[str], Agent] | None = None) -> None:
        """Load both agents."""
        check_single(settings)
        load = load_part or registry.load
        self._rules = settings.rules
        self._fast, slow = load(settings.fast), load(settings.slow)
        self._card = joined_card(settings, self._fast.card, slow.card)
        self._slow = PacedAgent(slow, settings.slow_latency)
        self._memory = ArbiterMemory()

    @property
    def card(self) -> AgentCard:
        """What it is."""
        return self._card

    def reset(self, seed: int) -> None:
        """Begin an episode: forget answers and disagreements."""
        with blamed(self._fast):
            self._fast.reset(seed)
        self._slow.reset(seed)
        self._memory = ArbiterMemory()

    def perceive(self, observation: Observation) -> Perception:
        """Answer the questions for one observation.

        What the slow agent has ready by the time of the picture is weighed; what it gets ready while the fast one
        answers is for the next decision.

        Raises:
            AgentError: When one of the two breaks the protocol.
        """
        fast = ask(self._fast, observation)
        second = self._slow.newest(observation, fast)
        perception, self._memory = arbitrate(fast, second, self._rules, self._memory)
        return perception
