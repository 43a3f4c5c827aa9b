"""The search for a texture: Adam on gradients of the attacked detector, over many views at once.

Texture ``0.5 (tanh z + 1)`` in sRGB, one z per cell of a coarse grid over the atlas; loss as published,
``-log(1 - max(conf * CIoU))`` plus 1e-4 times the squared differences of neighbouring cells inside the mask (Zhou et
al., "RAUCA", ICML 2024). ``conf`` is the detector's objectness. Views of a following car carry a second term of the
same form with the score that the driver acts on, over all boxes that touch the vehicle: a box in the wrong place
would stop the car as well as one in the right place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import box_iou, complete_box_iou_loss

from testbed.adversaries.camouflage.baselines import nearest
from testbed.adversaries.camouflage.views import VehicleView, repaint

CANDIDATES = 24
"""Boxes of a picture for which CIoU is worked out: the best by confidence times plain overlap."""

START_RANGE = 0.98

Decode = Callable[[Tensor], Tensor]
"""Pictures (N, 3, H, W) to rows (N, cells, 6): box, objectness, lead attribute; differentiable."""


@dataclass(frozen=True, slots=True)
class PaintSearchSettings:
    """How long and how hard to search.

    Attributes:
        steps: Gradient steps.
        batch: Views a step.
        rate: Adam's at the start, falling to zero along half a cosine; the paper has 0.01.
        cells: Side of the grid of z; the atlas is this grid, smoothly enlarged.
        smooth: Weight of the differences of neighbouring cells.
        road_weight: Weight of the second term of road views.
        relight: Half width of the random gain, contrast and offset of the pictures.
    """

    steps: int = 2600
    batch: int = 20
    rate: float = 0.2
    cells: int = 128
    smooth: float = 1e-4
    road_weight: float = 1.0
    relight: float = 0.12


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """Means since the last report."""

    step: int
    seconds: float
    loss: float
    box_score: float
    lead_score: float


class Paint:
    """A texture as the search varies it.

    Args:
        mask: Shape (h, w), bool: texels of the atlas that can be seen.
        cells: Side of the grid.
        device: Where to compute.
    """

    def __init__(
        self,
        mask: NDArray[np.bool_],
        cells: int,
        rng: np.random.Generator,
        device: str = "cpu",
        start: NDArray[np.uint8] | None = None,
    ) -> None:
        """Start from nearly grey noise, or from an atlas (h, w, 3), sRGB."""
        self.size_px = mask.shape
        noise = rng.normal(0.0, 0.3, (3, cells, cells)).astype(np.float32)
        z = torch.from_numpy(noise)
        if start is not None:
            srgb = torch.from_numpy(start.copy()).permute(2, 0, 1).float() / 255.0
            coarse = F.adaptive_avg_pool2d(srgb, (cells, cells))
            # Short of black and white, where tanh has no slope left.
            z = torch.atanh((2.0 * coarse - 1.0).clamp(-START_RANGE, START_RANGE))
        self.z = z.to(device).requires_grad_()
        covered = F.adaptive_avg_pool2d(torch.from_numpy(mask)[None].float(), (cells, cells))[0].to(device) > 0.0
        rows, columns = nearest(mask)
        self._rows, self._columns = torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)
        self._across = (covered[:, 1:] & covered[:, :-1]).float()
        self._down = (covered[1:] & covered[:-1]).float()

    def srgb(self) -> Tensor:
        """Return the atlas (3, h, w), sRGB in 0-1; texels outside the mask repeat the nearest one inside."""
        coarse = 0.5 * (torch.tanh(self.z) + 1.0)
        atlas = F.interpolate(coarse[None], self.size_px, mode="bilinear", align_corners=False)[0]
        return atlas[:, self._rows, self._columns]

    def pixels(self) -> NDArray[np.uint8]:
        """Return the atlas as it is stored, (h, w, 3), sRGB bytes."""
        rounded: NDArray[np.uint8] = (self.srgb().detach() * 255.0).round().byte().permute(1, 2, 0).cpu().numpy()
        return rounded

    def roughness(self) -> Tensor:
        """Return the sum of squared differences of neighbouring cells inside the mask."""
        coarse = 0.5 * (torch.tanh(self.z) + 1.0)
        across = (coarse[:, :, 1:] - coarse[:, :, :-1]).square() * self._across
        down = (coarse[:, 1:] - coarse[:, :-1]).square() * self._down
        return across.sum() + down.sum()


def linear_of(srgb: Tensor) -> Tensor:
    """Return sRGB values in 0-1 as linear light as `testbed.core.colour.srgb_to_linear` does, differentiably."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def scores(decoded: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return for every picture max(objectness * CIoU) and the best lead score of a box that touches the vehicle.

    Args:
        decoded: (N, cells, 6).
        boxes: (N, 4), the vehicle's box.

    Returns:
        Two tensors (N,).
    """
    with torch.no_grad():
        overlap = torch.stack([box_iou(rows[:, :4], box[None])[:, 0] for rows, box in zip(decoded, boxes, strict=True)])
        best = (decoded[..., 4] * overlap).topk(CANDIDATES, dim=1).indices
        touching = overlap > 0.05
    chosen = decoded.gather(1, best[..., None].expand(-1, -1, 6))
    truth = boxes[:, None].expand(-1, CANDIDATES, -1)
    ciou = 1.0 - complete_box_iou_loss(chosen[..., :4].reshape(-1, 4), truth.reshape(-1, 4)).view_as(best)
    box_score = (chosen[..., 4] * ciou.clamp(0.0, 1.0)).amax(1)
    lead = decoded[..., 4] * decoded[..., 5]
    lead_score = torch.where(touching, lead, torch.zeros_like(lead)).amax(1)
    return box_score, lead_score


def search(
    views: Sequence[VehicleView],
    decode: Decode,
    paint: Paint,
    settings: PaintSearchSettings,
    rng: np.random.Generator,
    report: Callable[[SearchProgress], None],
    every: int = 100,
) -> None:
    """Descend; the result is in ``paint``.

    Args:
        views: What to choose from; every step draws anew, every view comes up equally often.
        decode: The attacked detector.
        paint: Where to start from, changed in place.
        settings: How long and how hard.
        rng: Source of chance.
        report: Told how it goes.
        every: Steps between reports.
    """
    device = paint.z.device
    optimiser = torch.optim.Adam([paint.z], lr=settings.rate)
    order: list[int] = []
    boxes = torch.tensor([view.box_px for view in views], device=device)
    road = torch.tensor([view.look.road for view in views], device=device)
    begun, sums = time.monotonic(), np.zeros(4)
    for step in range(1, settings.steps + 1):
        if len(order) < settings.batch:
            order += rng.permutation(len(views)).tolist()
        index, order = order[: settings.batch], order[settings.batch :]
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * 0.5 * (1.0 + math.cos(math.pi * (step - 1) / settings.steps))
        pictures = repaint([views[i] for i in index], linear_of(paint.srgb()))
        pictures = relit(pictures, settings.relight, rng)
        box_score, lead_score = scores(decode(pictures), boxes[index])
        on_road = road[index].float()
        loss = -torch.log1p(-box_score.clamp(max=0.999)).mean()
        loss = loss - settings.road_weight * (torch.log1p(-lead_score.clamp(max=0.999)) * on_road).mean()
        total = loss + settings.smooth * paint.roughness()
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        share = float(on_road.sum())
        sums += [
            value.item() for value in (loss.detach(), box_score.detach().mean(), (lead_score * on_road).detach().sum())
        ] + [share]
        if step % every == 0 or step == settings.steps:
            count = every if step % every == 0 else step % every
            lead_mean = sums[2] / max(sums[3], 1.0)
            report(
                SearchProgress(
                    step, time.monotonic() - begun, float(sums[0] / count), float(sums[1] / count), float(lead_mean)
                )
            )
            sums[:] = 0.0


def relit(pictures: Tensor, spread: float, rng: np.random.Generator) -> Tensor:
    """Return pictures (N, 3, H, W) with random gain, contrast and offset, as another camera would take them."""
    if spread == 0.0:
        return pictures

    def draw(width: float) -> Tensor:
        values = rng.uniform(-width, width, (len(pictures), 1, 1, 1)).astype(np.float32)
        return torch.from_numpy(values).to(pictures.device)

    mean = pictures.detach().mean((1, 2, 3), keepdim=True)
    changed = ((pictures - mean) * (1.0 + draw(spread)) + mean) * (1.0 + draw(spread)) + draw(0.25 * spread)
    return changed.clamp(0.0, 1.0)
