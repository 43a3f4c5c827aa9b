"""The V²LM room, the only one that imports transformers and peft: model, tokenizer, questions, closed-set answers.

One agent in two deployments: ``solo``, three models with one task each, asked one after the other, and ``tandem``, one
model that answers all tasks from one conversation in one forward pass. Importing the room pins the hub libraries to
offline use: every weight comes from a file that the user has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.agents.vlm import cards, model_settings, smollm

if TYPE_CHECKING:
    from testbed.agents.vlm.agent import VlmAgent
    from testbed.core.serving import Serving
    from testbed.core.types import AgentCard

__all__ = ["build", "card", "needs", "serving"]

NEEDS = ("torch", "transformers", "peft", "timm", "safetensors")

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def needs(model: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return the modules without which it cannot be loaded; its card can be read."""
    settings = model_settings.parse(model)
    around_smollm = isinstance(settings, model_settings.ShippedModel) and settings.name == "smollm"
    return (*NEEDS, *(smollm.NEEDS if around_smollm else ()))


def build(deployment: cards.Deployment, device: str = "auto", **options: Any) -> VlmAgent:
    """Load the agent; options as in `testbed.agents.vlm.agent.VlmAgent`."""
    from testbed.agents.vlm.agent import VlmAgent

    return VlmAgent(deployment, device=device, **options)


def serving(
    deployment: cards.Deployment,
    model: Mapping[str, Any] | None = None,
    base: Path | None = None,
    device: str = "auto",
) -> Serving | None:
    """Return how its models want to be served, without loading them; None for models behind an endpoint."""
    from testbed.agents.vlm import served

    return served.serving(deployment, model_settings.parse(model, device), base)


def card(
    deployment: cards.Deployment,
    model: Mapping[str, Any] | None = None,
    base: Path | None = None,
) -> AgentCard:
    """Return the agent's card without loading its models."""
    return cards.agent_card(deployment, model_settings.parse(model), base)
