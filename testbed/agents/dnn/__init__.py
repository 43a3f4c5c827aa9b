"""The DNN baseline: YOLOv5-cls for signs, a CLRerNet-style net for lanes, a YOLOv5n-style detector for vehicles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testbed.agents.dnn.card import WEIGHTS, card

if TYPE_CHECKING:
    from testbed.agents.dnn.agent import DnnAgent

__all__ = ["NEEDS", "WEIGHTS", "build", "card"]

NEEDS = ("torch", "torchvision", "timm", "safetensors")
"""Modules without which it cannot be loaded; its card can be read."""


def build(device: str = "auto", **options: Any) -> DnnAgent:
    """Load the agent; options as in `testbed.agents.dnn.agent.DnnAgent`."""
    from testbed.agents.dnn.agent import DnnAgent

    return DnnAgent(device=device, **options)
