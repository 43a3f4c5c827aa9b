"""Tandem: one V²LM answers all tasks from one conversation of image-prompt pairs, in one forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testbed.agents.vlm import cards

if TYPE_CHECKING:
    from testbed.agents.tandem.agent import TandemAgent
    from testbed.core.types import AgentCard

__all__ = ["NEEDS", "build", "card"]

NEEDS = ("torch", "transformers", "peft", "timm", "safetensors")
"""Modules without which it cannot be loaded; its card can be read."""


def build(**options: Any) -> TandemAgent:
    """Load the agent; options as in `testbed.agents.tandem.agent.TandemAgent`."""
    from testbed.agents.tandem.agent import TandemAgent

    return TandemAgent(**options)


def card() -> AgentCard:
    """Return the agent's card without loading its model."""
    return cards.agent_card("tandem")
