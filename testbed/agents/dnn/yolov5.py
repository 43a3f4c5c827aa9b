"""Vehicle detection: an anchor detector of the YOLOv5n family on the 320 x 160 px driver's view.

C3 backbone, SPPF, path aggregation, three heads at strides 8, 16, 32 with three anchors each. The one class is
"vehicle"; in place of a class score each box carries the attribute "ahead in my lane". Whether a vehicle is in the
ego's corridor depends on where the lane goes, so the network, whose top cells see the whole road, learns it from the
picture instead of taking a straight corridor for granted (60 m ahead a curve of 600 m radius has left it by 3 m).

Decoding as published (release 6.0): ``xy = (2 sigmoid(t) - 0.5 + cell) stride``, ``wh = anchor (2 sigmoid(t))^2``,
score of being the lead = objectness x attribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import nms

from testbed.agents.dnn.yolov5_blocks import C3, SPPF, Conv

STRIDES: tuple[int, ...] = (8, 16, 32)
OUTPUTS = 6  # x, y, w, h, objectness, lead attribute
# Width and height in px; k-means (k = 9) over the training split, `testbed.training.nets.yolov5.fit_anchors`.
ANCHORS_PX: tuple[tuple[tuple[float, float], ...], ...] = (
    ((7.0, 6.0), (11.0, 9.0), (16.0, 14.0)),
    ((24.0, 16.0), (25.0, 25.0), (41.0, 29.0)),
    ((42.0, 49.0), (77.0, 48.0), (97.0, 90.0)),
)


class VehicleNet(nn.Module):
    """The detector.

    Args:
        widths: Channels at strides 2, 4, 8, 16, 32 (YOLOv5n: 16, 32, 64, 128, 256).
    """

    anchors_px: Tensor

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 128, 192)) -> None:
        """Build backbone, neck and heads."""
        super().__init__()
        w1, w2, w3, w4, w5 = widths
        self.stem = nn.Sequential(Conv(3, w1, 6, 2, 2), Conv(w1, w2, 3, 2), C3(w2, w2, 1))
        self.down3 = nn.Sequential(Conv(w2, w3, 3, 2), C3(w3, w3, 2))
        self.down4 = nn.Sequential(Conv(w3, w4, 3, 2), C3(w4, w4, 2))
        self.down5 = nn.Sequential(Conv(w4, w5, 3, 2), C3(w5, w5, 1), SPPF(w5, w5))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.reduce5 = Conv(w5, w4, 1)
        self.top4 = C3(2 * w4, w4, 1, shortcut=False)
        self.reduce4 = Conv(w4, w3, 1)
        self.top3 = C3(2 * w3, w3, 1, shortcut=False)
        self.bottom4 = Conv(w3, w3, 3, 2)
        self.out4 = C3(2 * w3, w4, 1, shortcut=False)
        self.bottom5 = Conv(w4, w4, 3, 2)
        self.out5 = C3(2 * w4, w5, 1, shortcut=False)
        self.heads = nn.ModuleList(nn.Conv2d(width, 3 * OUTPUTS, 1) for width in (w3, w4, w5))
        self.register_buffer("anchors_px", torch.tensor(ANCHORS_PX))  # (3 levels, 3 anchors, 2)
        for head in self.heads:
            assert isinstance(head, nn.Conv2d) and head.bias is not None
            # Few cells hold a vehicle: start from a low prior so that the first steps are not spent on unlearning.
            bias = head.bias.detach().view(3, OUTPUTS)
            bias[:, 4] = -4.5
            bias[:, 5:] = 0.0
            head.bias.data = bias.reshape(-1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (N, 3, H, W) in 0…1 to raw head outputs, one (N, 3, H / s, W / s, 6) per stride s."""
        p3 = self.down3(self.stem(images - 0.5))
        p4 = self.down4(p3)
        r5 = self.reduce5(self.down5(p4))
        r4 = self.reduce4(self.top4(torch.cat((self.up(r5), p4), 1)))
        n3 = self.top3(torch.cat((self.up(r4), p3), 1))
        n4 = self.out4(torch.cat((self.bottom4(n3), r4), 1))
        n5 = self.out5(torch.cat((self.bottom5(n4), r5), 1))
        raw = []
        for head, feature in zip(self.heads, (n3, n4, n5), strict=True):
            out = head(feature)
            count, _, height, width = out.shape
            raw.append(out.view(count, 3, OUTPUTS, height, width).permute(0, 1, 3, 4, 2))
        return raw

    def decode(self, raw: list[Tensor]) -> Tensor:
        """Turn raw outputs into (N, cells, 6): box (x_min, y_min, x_max, y_max) in px, objectness, lead attribute."""
        levels = []
        for level, (out, stride) in enumerate(zip(raw, STRIDES, strict=True)):
            count, _, height, width, _ = out.shape
            p = out.float().sigmoid()
            y, x = torch.meshgrid(
                torch.arange(height, device=out.device), torch.arange(width, device=out.device), indexing="ij"
            )
            cell = torch.stack((x, y), -1).float()
            centre = (2.0 * p[..., 0:2] - 0.5 + cell) * stride
            size = (2.0 * p[..., 2:4]).square() * self.anchors_px[level].view(1, 3, 1, 1, 2)
            boxes = torch.cat((centre - size / 2, centre + size / 2, p[..., 4:]), -1)
            levels.append(boxes.reshape(count, -1, OUTPUTS))
        return torch.cat(levels, 1)


@dataclass(frozen=True)
class Detections:
    """Vehicles of one image, best first.

    Attributes:
        boxes_px: (K, 4) boxes (x_min, y_min, x_max, y_max).
        scores: (K,) vehicle score (objectness).
        lead_scores: (K,) score of being the vehicle ahead in the ego's lane.
    """

    boxes_px: Tensor
    scores: Tensor
    lead_scores: Tensor


def suppress(decoded: Tensor, *, threshold: float = 0.05, overlap: float = 0.5, limit: int = 40) -> Detections:
    """Drop weak and doubled boxes of one image.

    Args:
        decoded: (cells, 6) rows of `VehicleNet.decode`.
        threshold: Lowest objectness to keep.
        overlap: Intersection over union above which the weaker of two boxes is dropped.
        limit: Largest number of boxes to return.
    """
    decoded = decoded[decoded[:, 4] > threshold]
    keep = nms(decoded[:, :4], decoded[:, 4], overlap)[:limit]
    decoded = decoded[keep]
    return Detections(decoded[:, :4], decoded[:, 4], decoded[:, 4] * decoded[:, 5])


def pick_lead(found: Detections) -> tuple[float, Tensor | None]:
    """Return the score and the box (4,) of the most likely vehicle ahead in the ego's lane; (0, None) without any."""
    if len(found.lead_scores) == 0:
        return 0.0, None
    best = int(found.lead_scores.argmax())
    return float(found.lead_scores[best]), found.boxes_px[best]
