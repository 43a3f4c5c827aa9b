"""Lane detection after CLRerNet: learnt line priors, refined in three stages by what they gather from the image.

Source: Honda and Uchida, "CLRerNet: Improving Confidence of Lane Detection with LaneIoU", WACV 2024, and Zheng et al.,
"CLRNet", CVPR 2022. Written here in plain torch, with these choices for one front camera at 320 x 160 px:

* the rows above `CUT_PX` (sky) are cut off;
* a line is its x at the row anchors of the data set: a chord (x at the top row, x at the bottom row) plus a residual
  per row, instead of start point and angle, because the ego's own lines leave the image at the bottom;
* the feature pyramid has strides 16, 8 and 4: the lane centre 25 m ahead must be found to about half a pixel;
* a line's class is its role (left and right line of the ego lane, outer lines of the neighbours) or background.

The preview offset is a smooth function of the image: the role probabilities weight all final lines, so that gradients
reach the pixels (`LaneNet.preview_offset`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from testbed.agents.dnn.preview import PREVIEW_ROW_PX, preview_offset_of_x
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, LANE_LINES, LANE_ROWS_PX

CUT_PX = 64
ROWS = len(LANE_ROWS_PX)
ROLES = len(LANE_LINES)
EGO_LEFT, EGO_RIGHT = LANE_LINES.index("ego_left"), LANE_LINES.index("ego_right")
STAGES = 3


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut, as in ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """Project the shortcut where width or size change."""
        super().__init__()
        self.first = _conv(inputs, outputs, 3, stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.project: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.project = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return F.relu(self.second(self.first(x)) + self.project(x))


@dataclass(frozen=True)
class Lanes:
    """Lines after one stage.

    Attributes:
        x_px: (N, P, R) image x at the rows `LANE_ROWS_PX`; may lie outside the image.
        roles: (N, P, 5) logits of the four roles in the order of `LANE_LINES`, then background.
    """

    x_px: Tensor
    roles: Tensor


class Refine(nn.Module):
    """One refinement stage: gather features along each line, look at the whole image, correct line and role."""

    def __init__(self, channels: int, points: int) -> None:
        """Gather `points` samples per line from a map of `channels` channels."""
        super().__init__()
        self.along = nn.Sequential(nn.Conv1d(channels, channels, 5, padding=2), nn.ReLU(True))
        self.gather = nn.Linear(channels * points, 2 * channels)
        self.query = nn.Linear(2 * channels, channels)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, 2 * channels, 1)
        self.mix = nn.Sequential(nn.Linear(2 * channels, 2 * channels), nn.ReLU(True))
        self.role = nn.Linear(2 * channels, ROLES + 1)
        self.shift = nn.Linear(2 * channels, 2 + ROWS)
        nn.init.normal_(self.shift.weight, std=1e-3)
        nn.init.zeros_(self.shift.bias)

    def forward(self, feature: Tensor, samples: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the lines' features, their role logits and their corrections.

        Args:
            feature: (N, C, H, W) one level of the pyramid.
            samples: (N, P, S, 2) sampling points in -1…1.
            before: (N, P, 2 C) line features of the stage before, or None.
        """
        count, priors, points, _ = samples.shape
        found = F.grid_sample(feature.float(), samples, align_corners=False)  # (N, C, P, S)
        found = found.permute(0, 2, 1, 3).reshape(count * priors, -1, points)
        line = F.relu(self.gather(self.along(found).flatten(1)).view(count, priors, -1))
        if before is not None:
            line = line + before
        context = F.adaptive_avg_pool2d(feature, (6, 10))
        key, value = self.key(context).flatten(2), self.value(context).flatten(2)
        weight = (self.query(line) @ key / key.shape[1] ** 0.5).softmax(-1)
        line = line + weight @ value.transpose(1, 2)
        line = line + self.mix(line)
        return line, self.role(line), self.shift(line)


class LaneNet(nn.Module):
    """The lane detector.

    Args:
        widths: Channels at strides 2, 4, 8, 16, 32.
        channels: Channels of the feature pyramid.
        priors: Number of line priors.
        points: Samples gathered per line.
    """

    rows_px: Tensor
    down: Tensor
    sample_at: Tensor
    preview_weight: Tensor

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 96, 128),
        channels: int = 48,
        priors: int = 24,
        points: int = 24,
    ) -> None:
        """Spread the priors over the lower edge, all of them ending near the vanishing point."""
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        self.stem = _conv(3, w1, 5, 2)
        self.stage2 = Residual(w1, w2, 2)
        self.stage3 = Residual(w2, w3, 2)
        self.stage4 = nn.Sequential(Residual(w3, w4, 2), Residual(w4, w4, 1))
        self.stage5 = nn.Sequential(Residual(w4, w5, 2), Residual(w5, w5, 1))
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in (w2, w3, w4, w5))
        self.smooth = nn.ModuleList(_conv(channels, channels) for _ in range(STAGES))
        self.refine = nn.ModuleList(Refine(channels, points) for _ in range(STAGES))
        bottom = torch.linspace(-320.0, 640.0, priors)
        self.chord_px = nn.Parameter(torch.stack((160.0 + (bottom - 160.0) * 0.04, bottom), -1) / 100.0)  # (P, 2)

        rows = torch.tensor(LANE_ROWS_PX)
        self.register_buffer("rows_px", rows, persistent=False)
        self.register_buffer("down", (rows - rows[0]) / (rows[-1] - rows[0]), persistent=False)
        # Rows are dense in metres near the camera and sparse far away; sample a little denser at the top.
        at = torch.linspace(0.0, 1.0, points) ** 1.5 * (ROWS - 1)
        low = at.floor().clamp(max=ROWS - 2).long()
        matrix = torch.zeros(points, ROWS)
        matrix[torch.arange(points), low] = 1.0 - (at - low)
        matrix[torch.arange(points), low + 1] = at - low
        self.register_buffer("sample_at", matrix, persistent=False)
        position = (PREVIEW_ROW_PX - LANE_ROWS_PX[0]) / (LANE_ROWS_PX[1] - LANE_ROWS_PX[0])
        preview = torch.zeros(ROWS)
        preview[int(position)] = 1.0 - position % 1.0
        preview[int(position) + 1] = position % 1.0
        self.register_buffer("preview_weight", preview, persistent=False)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps at strides 16, 8 and 4 of images (N, 3, 160, 320) in 0…1."""
        x = self.stage2(self.stem(images[:, :, CUT_PX:] - 0.5))
        stages = [x]
        for stage in (self.stage3, self.stage4, self.stage5):
            stages.append(stage(stages[-1]))
        maps = [lateral(stage) for lateral, stage in zip(self.lateral, stages, strict=True)]
        out = []
        top = maps[3]
        for smooth, finer in zip(self.smooth, reversed(maps[:3]), strict=True):
            top = finer + F.interpolate(top, finer.shape[-2:], mode="nearest")
            out.append(smooth(top))
        return out

    def forward(self, images: Tensor) -> list[Lanes]:
        """Map images (N, 3, 160, 320) in 0…1 (sRGB) to the lines after each stage, the last one best."""
        chord = 100.0 * self.chord_px.expand(images.shape[0], -1, -1)
        bend = torch.zeros(*chord.shape[:2], ROWS, device=images.device)
        height = IMAGE_HEIGHT_PX - CUT_PX
        y = (self.sample_at @ self.rows_px - CUT_PX) / height * 2.0 - 1.0
        line: Tensor | None = None
        stages = []
        for feature, refine in zip(self.pyramid(images), self.refine, strict=True):
            x_px = self._x_px(chord, bend)
            # The published network detaches lines between stages; gradients to the image then pass only through the
            # features. Here they also pass through the sampling points, which an attack may want.
            at = x_px @ self.sample_at.T / IMAGE_WIDTH_PX * 2.0 - 1.0
            samples = torch.stack((at, y.expand_as(at)), -1)
            line, roles, shift = refine(feature, samples, line)
            shift = 10.0 * shift.float()
            chord, bend = chord + shift[..., :2], bend + shift[..., 2:]
            stages.append(Lanes(self._x_px(chord, bend), roles.float()))
        return stages

    def _x_px(self, chord: Tensor, bend: Tensor) -> Tensor:
        return chord[..., :1] + (chord[..., 1:] - chord[..., :1]) * self.down + bend

    def line_of_role(self, lanes: Lanes, role: int) -> Tensor:
        """Return the (N, R) image x of one role: the lines' mean, weighted by how likely each has that role."""
        weight = lanes.roles.log_softmax(-1)[..., role].softmax(-1)
        return (weight[..., None] * lanes.x_px).sum(1)

    def offset_of(self, lanes: Lanes) -> Tensor:
        """Return the (N,) preview offset in m, positive left: lane centre on the row that shows 25 m ahead."""
        centre = (self.line_of_role(lanes, EGO_LEFT) + self.line_of_role(lanes, EGO_RIGHT)) / 2.0
        return preview_offset_of_x(centre @ self.preview_weight)

    def preview_offset(self, images: Tensor) -> Tensor:
        """Return the lane centre 25 m ahead, (N,) in m, positive left; differentiable in the images.

        Args:
            images: (N, 3, 160, 320), sRGB in 0…1.
        """
        return self.offset_of(self(images)[-1])
