"""The attacked model: the lane net of the ``dnn`` agent. No other model is ever asked."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from testbed import agents
from testbed.adversaries.manifest import Surrogate
from testbed.adversaries.road_patch.search import PreviewOffset
from testbed.agents import weights
from testbed.agents.dnn import WEIGHTS
from testbed.agents.dnn.agent import load_lane_net

AGENT = "dnn"
MODEL = WEIGHTS["alc"]


@dataclass(frozen=True)
class LaneVictim:
    """The attacked model and what is told about it.

    Attributes:
        preview_offset: The model.
        latency_s: Median latency of the agent that drives with it.
        surrogate: What goes into the manifest.
    """

    preview_offset: PreviewOffset
    latency_s: float
    surrogate: Surrogate


def load_victim() -> LaneVictim:
    """Return the shipped lane net, frozen.

    Raises:
        WeightsError: If its weights are missing or altered.
    """
    model = load_lane_net().to(memory_format=torch.channels_last)
    return LaneVictim(
        model.preview_offset,
        agents.card(AGENT).latency_ms[0] / 1e3,
        Surrogate(agent=AGENT, model=MODEL, weights_sha256=str(weights.card(MODEL)["sha256"])),
    )
