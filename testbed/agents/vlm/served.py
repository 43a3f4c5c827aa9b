"""Readers that run elsewhere, and what a deployment says about being served; nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.agents.vlm import cards, checkpoint_folder
from testbed.agents.vlm.cards import Deployment
from testbed.agents.vlm.model_settings import LocalModel, ShippedModel
from testbed.agents.vlm.readings import ConversationReader
from testbed.core.serving import Serving
from testbed.core.types import AgentCard


@dataclass(frozen=True)
class ServedReaders:
    """Readers that were loaded elsewhere.

    Attributes:
        readers: As in `testbed.agents.vlm.agent.VlmAgent`.
        card: Of the agent that loaded them.
    """

    readers: Mapping[str, ConversationReader]
    card: AgentCard


def serving(deployment: Deployment, settings: ShippedModel | LocalModel, base: Path | None) -> Serving:
    """Return what a deployment says about being served; raises as `cards.agent_card` does."""
    if isinstance(settings, LocalModel):
        names = {cards.local_names(deployment, settings, key)[0] for key in cards.DEPLOYMENTS[deployment]}
        weight_bytes = sum(checkpoint_folder.inspect(name, base).weight_bytes for name in sorted(names))
        return Serving(settings.serve, weight_bytes, settings.device, settings.num_gpus)
    # the testbed's own model is small: beside a simulator it answers sooner than a question travels
    where = "worker" if settings.serve == "auto" else settings.serve
    return Serving(where, 0, "cpu" if settings.device == "auto" else settings.device, settings.num_gpus)
