"""Sign classifiers on their own, as attacks and evaluations on pictures ask them: crops in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from testbed.agents.dnn.agent import load_net
from testbed.agents.dnn.nets import SIGN_NETS, choose
from testbed.agents.dnn.yolov5_cls import sign_batch

BATCH = 40
"""Crops per forward pass; larger batches no longer fit the cache of one core and are slower per crop."""


@dataclass(frozen=True)
class SignClassifier:
    """One classifier of the 43 sign classes, frozen.

    Attributes:
        name: Key of `testbed.agents.dnn.nets.SIGN_NETS`.
        weights: Name of its weights.
        net: Maps (N, 3, S, S) in 0…1 to logits (N, 43); gradients reach the pixels.
        input_px: S.
    """

    name: str
    weights: str
    net: nn.Module
    input_px: int

    def batch(self, crops: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Resize crops (h, w, 3) uint8 of any sizes to the network's input, (N, 3, S, S) in 0…1."""
        return sign_batch(crops, self.input_px)

    def probabilities(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """Return the class probabilities (N, 43) of crops (h, w, 3) uint8 of any sizes."""
        with torch.inference_mode():
            parts = [
                self.net(self.batch(crops[start : start + BATCH])).double().softmax(-1)
                for start in range(0, len(crops), BATCH)
            ]
        return torch.cat(parts).numpy() if parts else np.zeros((0, 43))


def load_sign_victim(name: str = "yolov5_cls", folder: Path | None = None) -> SignClassifier:
    """Load a classifier by name.

    Args:
        name: Key of `testbed.agents.dnn.nets.SIGN_NETS`.
        folder: Folder of the weights; the shipped ones when None.

    Raises:
        UsageError: When there is no such network.
        WeightsError: When its weights are missing or altered.
    """
    chosen = choose(SIGN_NETS, name, "tsr")
    net = load_net(chosen.build(), chosen.weights, folder)
    side = net.input_px
    assert isinstance(side, int)
    return SignClassifier(name, chosen.weights, net, side)
