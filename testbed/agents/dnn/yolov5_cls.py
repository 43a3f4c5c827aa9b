"""Traffic sign recognition: YOLOv5-cls, a C3 backbone with a pooled linear head, on 64 x 64 px crops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from testbed.agents.dnn.yolov5_blocks import C3, Conv
from testbed.agents.imaging import resize, to_batch
from testbed.core.gtsrb import SIGN_NAMES

SIGN_INPUT_PX = 64


class SignNet(nn.Module):
    """YOLOv5n-cls with strides 2, 4, 8, 16: a fifth stage would leave 2 x 2 cells of a 64 px crop.

    Args:
        classes: Number of classes.
        widths: Channels of the four stages.
        dropout: Share of pooled features dropped in training.
    """

    input_px = SIGN_INPUT_PX

    def __init__(
        self, classes: int = len(SIGN_NAMES), widths: Sequence[int] = (16, 32, 64, 128), dropout: float = 0.1
    ) -> None:
        """Build the network."""
        super().__init__()
        w1, w2, w3, w4 = widths
        self.features = nn.Sequential(
            Conv(3, w1, 6, 2, 2),
            Conv(w1, w2, 3, 2),
            C3(w2, w2, 1),
            Conv(w2, w3, 3, 2),
            C3(w3, w3, 2),
            Conv(w3, w4, 3, 2),
            C3(w4, w4, 2),
            Conv(w4, 2 * w4, 1),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(2 * w4, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map crops (N, 3, 64, 64) in 0…1 (sRGB) to logits (N, classes)."""
        return self.head(self.drop(self.pool(self.features(images - 0.5)).flatten(1)))  # type: ignore[no-any-return]


def sign_batch(crops: Sequence[NDArray[np.uint8]], input_px: int = SIGN_INPUT_PX) -> Tensor:
    """Resize crops (h, w, 3) uint8 to a network's input, shape (N, 3, input_px, input_px), values 0…1."""
    return to_batch([resize(crop, input_px, input_px) for crop in crops])
