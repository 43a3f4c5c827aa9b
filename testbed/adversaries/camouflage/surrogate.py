"""The attacked model: the vehicle detector of the ``dnn`` agent. No other model is ever asked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from testbed.adversaries.manifest import Surrogate
from testbed.agents import weights
from testbed.agents.dnn import WEIGHTS
from testbed.agents.dnn.agent import load_net
from testbed.agents.dnn.yolov5 import VehicleNet
from testbed.agents.dnn.yolov5_blocks import fuse
from testbed.agents.precision import mixed

AGENT = "dnn"
MODEL = WEIGHTS["vd"]


@dataclass(frozen=True)
class VehicleVictim:
    """The attacked detector and what is told about it.

    Attributes:
        net: Frozen, batch normalisation folded in.
        threshold: Lead score above which the agent says that a vehicle is ahead.
        surrogate: What goes into the manifest.
    """

    net: VehicleNet
    threshold: float
    surrogate: Surrogate

    def decode(self, pictures: Tensor) -> Tensor:
        """Return boxes, objectness and lead attribute (N, cells, 6) of pictures (N, 3, H, W) in 0-1."""
        return self.net.decode(self.net(pictures.contiguous(memory_format=torch.channels_last)))

    def decode_fast(self, pictures: Tensor) -> Tensor:
        """Return the same in half precision where that is faster: good for gradients, not for figures."""
        with mixed(pictures.device.type):
            raw = self.net(pictures.contiguous(memory_format=torch.channels_last))
        return self.net.decode(raw)


def load_victim(device: str = "cpu") -> VehicleVictim:
    """Return the shipped detector.

    Raises:
        WeightsError: If its weights are missing or altered.
    """
    net = load_net(VehicleNet(), MODEL)
    fuse(net)
    net = net.to(device).to(memory_format=torch.channels_last)
    card = weights.card(MODEL)
    return VehicleVictim(
        net,
        float(card["threshold"]),
        Surrogate(agent=AGENT, model=MODEL, weights_sha256=str(card["sha256"])),
    )
