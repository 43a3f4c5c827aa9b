"""Two agents side by side: one is asked at every decision, the other at its own rate, and an arbiter makes one answer.

The usual pair is a DNN and a V²LM; any two agents by name or file will do. docs/parallel.md has the truth table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from testbed.agents.parallel.card import agent_card
from testbed.agents.parallel.settings import ParallelSettings

if TYPE_CHECKING:
    from testbed.agents.parallel.agent import ParallelAgent
    from testbed.core.types import Agent, AgentCard

__all__ = ["NEEDS", "build", "card", "parts"]

NEEDS: tuple[str, ...] = ()
"""Modules that it needs itself; what its two agents need is theirs."""


def build(load_part: Callable[[str], Agent] | None = None, **options: Any) -> ParallelAgent:
    """Load both agents, with `load_part` where it is given; options as in `settings.ParallelSettings`."""
    from testbed.agents.parallel.agent import ParallelAgent

    return ParallelAgent(ParallelSettings.parse(**options), load_part)


def card(**options: Any) -> AgentCard:
    """Return the agent's card without loading either agent."""
    return agent_card(ParallelSettings.parse(**options))


def parts(**options: Any) -> dict[str, str]:
    """Return the agents that it is made of: role to name or file."""
    settings = ParallelSettings.parse(**options)
    return {"fast": settings.fast, "slow": settings.slow}
