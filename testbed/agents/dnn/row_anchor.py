"""Lane detection by row anchors: on chosen image rows, in which cell does each line cross, judged from the whole image.

Source: Qin, Wang and Li, "Ultra Fast Structure-aware Deep Lane Detection", ECCV 2020. Written here in plain torch, for
one front camera at 320 x 160 px: a residual trunk of stride 16, a fully connected layer that sees all of it, and per
line and row a classification over cells across the image and "not there". The position is the expectation over the
cells, which is smooth in the image, so gradients reach the pixels. The auxiliary segmentation branch is left out.

It shares with the CLRerNet-style net nothing but the rows of the labels and the sky that is cut off, so an attack made
on one and shown to the other measures transfer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from testbed.agents.dnn.preview import PREVIEW_ROW_PX, preview_offset_of_x
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, LANE_LINES, LANE_ROWS_PX

CUT_PX = 64
"""Rows above this one show sky."""
ROW_STEP = 2
ANCHORS_PX: tuple[float, ...] = LANE_ROWS_PX[::ROW_STEP]
CELL_PX = 4.0
FIRST_PX, LAST_PX = -32.0, 352.0
CELLS = round((LAST_PX - FIRST_PX) / CELL_PX)
EGO_LEFT, EGO_RIGHT = LANE_LINES.index("ego_left"), LANE_LINES.index("ego_right")


class _Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut (ResNet-18's block)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.end = nn.ReLU(True)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.body(x) + self.shortcut(x))  # type: ignore[no-any-return]


class RowAnchorNet(nn.Module):
    """The lane detector.

    Args:
        widths: Channels at strides 2, 4, 8, 16.
        squeezed: Channels that the fully connected layer sees.
        hidden: Width of that layer.
    """

    centres_px: Tensor
    preview_weight: Tensor

    def __init__(self, widths: Sequence[int] = (24, 48, 96, 128), squeezed: int = 8, hidden: int = 384) -> None:
        """Build the network."""
        super().__init__()
        w1, w2, w3, w4 = widths
        self.trunk = nn.Sequential(
            nn.Conv2d(3, w1, 5, 2, 2, bias=False),
            nn.BatchNorm2d(w1),
            nn.ReLU(True),
            _Residual(w1, w2, 2),
            _Residual(w2, w2, 1),
            _Residual(w2, w3, 2),
            _Residual(w3, w4, 2),
            _Residual(w4, w4, 1),
            nn.Conv2d(w4, squeezed, 1),
        )
        cells = (IMAGE_HEIGHT_PX - CUT_PX) // 16 * 20
        self.judge = nn.Sequential(
            nn.Linear(squeezed * cells, hidden),
            nn.ReLU(True),
            nn.Dropout(0.1),
            nn.Linear(hidden, len(LANE_LINES) * len(ANCHORS_PX) * (CELLS + 1)),
        )
        centres = FIRST_PX + CELL_PX * (torch.arange(CELLS) + 0.5)
        self.register_buffer("centres_px", centres, persistent=False)
        position = (PREVIEW_ROW_PX - ANCHORS_PX[0]) / (ANCHORS_PX[1] - ANCHORS_PX[0])
        preview = torch.zeros(len(ANCHORS_PX))
        preview[int(position)] = 1.0 - position % 1.0
        preview[int(position) + 1] = position % 1.0
        self.register_buffer("preview_weight", preview, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, 160, 320) in 0…1 (sRGB) to logits (N, 4 lines, rows, cells + 1), "not there" last."""
        seen = self.trunk(images[:, :, CUT_PX:] - 0.5).flatten(1)
        logits: Tensor = self.judge(seen)
        return logits.view(len(images), len(LANE_LINES), len(ANCHORS_PX), CELLS + 1)

    def x_px(self, logits: Tensor) -> Tensor:
        """Return where the lines cross the rows, (N, 4, rows) in px: the expectation over the cells."""
        return logits[..., :CELLS].float().softmax(-1) @ self.centres_px

    def offset_of(self, x_px: Tensor) -> Tensor:
        """Return the (N,) preview offset in m, positive left: lane centre on the row that shows 25 m ahead."""
        return preview_offset_of_x((x_px[:, EGO_LEFT] + x_px[:, EGO_RIGHT]) @ self.preview_weight / 2.0)

    def preview_offset(self, images: Tensor) -> Tensor:
        """Return the lane centre 25 m ahead, (N,) in m, positive left; differentiable in the images.

        Args:
            images: (N, 3, 160, 320), sRGB in 0…1.
        """
        return self.offset_of(self.x_px(self(images)))
