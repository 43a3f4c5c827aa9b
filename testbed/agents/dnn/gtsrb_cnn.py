"""GTSRB-CNN, the reference victim of physical sign attacks: three convolution modules whose outputs are all classified.

Source of the architecture: multi-scale features after Sermanet and LeCun, "Traffic Sign Recognition with Multi-Scale
Convolutional Networks", IJCNN 2011, in the form that Eykholt et al. (CVPR 2018) and Zhong et al. (CVPR 2022) attack: a
1 x 1 colour map, modules of two 5 x 5 convolutions with 32, 64 and 128 channels, each followed by pooling, and fully
connected layers over the joined outputs. Theirs are 1024 wide, 16.6 M parameters in all; ours are 512 wide, which holds
the file of 8-bit weights below 9 MB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from testbed.core.gtsrb import SIGN_NAMES


def _module(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 5, padding=2),
        nn.ReLU(True),
        nn.Conv2d(outputs, outputs, 5, padding=2),
        nn.ReLU(True),
        nn.MaxPool2d(2),
        nn.Dropout(dropout),
    )


class GtsrbCnn(nn.Module):
    """The classifier on 32 x 32 px crops.

    Args:
        classes: Number of classes.
        hidden: Width of the two fully connected layers.
        dropout: Share of values dropped after each module and each hidden layer.
    """

    input_px = 32

    def __init__(self, classes: int = len(SIGN_NAMES), hidden: int = 512, dropout: float = 0.3) -> None:
        """Build the network."""
        super().__init__()
        self.colour = nn.Conv2d(3, 3, 1)
        self.modules_ = nn.ModuleList(
            (_module(3, 32, dropout / 3), _module(32, 64, dropout / 3), _module(64, 128, dropout / 3))
        )
        joined = 32 * 16 * 16 + 64 * 8 * 8 + 128 * 4 * 4
        self.head = nn.Sequential(
            nn.Linear(joined, hidden),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map crops (N, 3, 32, 32) in 0…1 (sRGB) to logits (N, classes)."""
        x = self.colour(images - 0.5)
        outputs = []
        for module in self.modules_:
            x = module(x)
            outputs.append(x.flatten(1))
        return self.head(torch.cat(outputs, 1))  # type: ignore[no-any-return]
