"""Solo: three V²LMs, one per task, each the shared base with its own adapter, asked one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testbed.agents.vlm import cards

if TYPE_CHECKING:
    from testbed.agents.solo.agent import SoloAgent
    from testbed.core.types import AgentCard

__all__ = ["NEEDS", "build", "card"]

NEEDS = ("torch", "transformers", "peft", "timm", "safetensors")
"""Modules without which it cannot be loaded; its card can be read."""


def build(**options: Any) -> SoloAgent:
    """Load the agent; options as in `testbed.agents.solo.agent.SoloAgent`."""
    from testbed.agents.solo.agent import SoloAgent

    return SoloAgent(**options)


def card() -> AgentCard:
    """Return the agent's card without loading its models."""
    return cards.agent_card("solo")
