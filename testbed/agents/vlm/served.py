"""Readers that run elsewhere, and what a deployment says about being served; nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.agents.vlm import cards, checkpoint_folder
from testbed.agents.vlm.cards import Deployment
from testbed.agents.vlm.model_settings import LocalModel, ModelSettings, ShippedModel
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


def serving(deployment: Deployment, settings: ModelSettings, base: Path | None) -> Serving | None:
    """Return what a deployment says about being served, None for an endpoint; raises as `cards.agent_card` does."""
    if isinstance(settings, LocalModel):
        names = {cards.local_names(deployment, settings, key)[0] for key in cards.DEPLOYMENTS[deployment]}
        files = [file for name in sorted(names) for file in checkpoint_folder.inspect(name, base).files]
        weight_bytes = sum(file.stat().st_size for file in files)
        return Serving(settings.serve, weight_bytes, settings.device, settings.num_gpus)
    if not isinstance(settings, ShippedModel):
        return None
    # the testbed's own model is small: beside a simulator it answers sooner than a question travels
    where = "worker" if settings.serve == "auto" else settings.serve
    return Serving(where, 0, "cpu" if settings.device == "auto" else settings.device, settings.num_gpus)
