"""From free parameters to a patch that keeps its budget, differentiably.

::

    z (rows, columns) --blur--> clip to [0, 1] --x where--> stains --enlarge, x grain, x max--> albedo of the texels

``where`` (0-1) says which cells may be changed at all. It is chosen anew from time to time: the perturbable share of
the cells whose gradients have asked most for brightness, fading out at its borders. Clipping and ``where`` both let
gradients pass straight through, so that a cell outside the bounds or the choice goes on asking and can come back.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from testbed.adversaries.road_patch.shape import PatchShape, grain

WANDER = 0.5
"""How far a parameter may leave [0, 1] before it is pulled back; what lies beyond would come back too late."""

BORDER = 0.08
"""Share of the cells over which the choice fades out."""


def _kernel(sigma: float) -> Tensor:
    radius = max(1, math.ceil(3.0 * sigma))
    at = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weight = torch.exp(-0.5 * (at / max(sigma, 1e-6)) ** 2)
    return weight / weight.sum()


class StainCells:
    """Parameters of a patch.

    Args:
        shape: Size and budget.
        start: Start values, shape (rows, columns); None starts with a bare road.
    """

    def __init__(self, shape: PatchShape, start: Tensor | None = None) -> None:
        """Place the parameters and prepare the fixed parts of the map."""
        self.shape = shape
        initial = torch.zeros(shape.rows, shape.columns) if start is None else start.detach().clone().float()
        if tuple(initial.shape) != (shape.rows, shape.columns):
            raise ValueError(f"start has shape {tuple(initial.shape)}, expected {(shape.rows, shape.columns)}")
        self.z = initial.requires_grad_(True)
        self._along = _kernel(shape.blur_cells[0]).view(1, 1, -1, 1)
        self._across = _kernel(shape.blur_cells[1]).view(1, 1, 1, -1)
        self._grain = torch.from_numpy(grain(shape))
        self.where = torch.ones_like(self.z, requires_grad=False)
        self.choose(self.z)

    def _blur(self, field: Tensor) -> Tensor:
        half_along, half_across = self._along.shape[2] // 2, self._across.shape[3] // 2
        field = F.conv2d(F.pad(field[None, None], (0, 0, half_along, half_along), mode="replicate"), self._along)
        return F.conv2d(F.pad(field, (half_across, half_across, 0, 0), mode="replicate"), self._across)[0, 0]

    def stains(self) -> Tensor:
        """Return the cells after blurring, clipping and choosing, shape (rows, columns), 0-1."""
        field = self._blur(self.z)
        with torch.no_grad():
            bounded = field.clamp(0.0, 1.0) * self.where
        return field + (bounded - field).detach()

    def choose(self, asking: Tensor) -> None:
        """Choose the perturbable share of the cells anew.

        Args:
            asking: How much each cell asks for brightness, shape (rows, columns); only the order counts.
        """
        with torch.no_grad():
            order = self._blur(asking.detach()).flatten().argsort(stable=True)
            rank = torch.empty_like(order, dtype=torch.float32)
            rank[order] = torch.linspace(0.0, 1.0, len(order))
            bare = 1.0 - self.shape.perturbable_share
            self.where = ((rank - bare) / BORDER).clamp(0.0, 1.0).view_as(self.z)

    def paint(self, stains: Tensor) -> Tensor:
        """Return the added linear albedo of stains (rows, columns), shape ``shape.texels``."""
        fine = F.interpolate(stains[None, None], size=self.shape.texels, mode="bilinear", align_corners=False)
        return fine[0, 0] * self._grain * self.shape.max_added_albedo

    def texels(self) -> Tensor:
        """Return the added linear albedo, shape ``shape.texels``; the share holds but for texels on stain edges."""
        return self.paint(self.stains())

    def painted(self) -> Tensor:
        """Return what is painted: the texels in 8-bit steps, the faintest ones left out until the share holds."""
        with torch.no_grad():
            step = self.shape.max_added_albedo / 255.0
            texels = (self.texels() / step).round() * step
            allowed = int(texels.numel() * self.shape.perturbable_share)
            surplus = int((texels > 0.5 * step).sum()) - allowed
            if surplus > 0:
                flat = texels.flatten()
                order = torch.argsort(torch.where(flat > 0.5 * step, flat, torch.inf), stable=True)
                flat[order[:surplus]] = 0.0
            return texels

    def confine(self) -> None:
        """Pull the parameters back to the neighbourhood of their bounds; call it after each step."""
        with torch.no_grad():
            self.z.clamp_(-WANDER, 1.0 + WANDER)
