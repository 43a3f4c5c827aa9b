"""From free parameters to a patch that keeps its budget, differentiably.

::

    z (rows, columns) --blur--> u --clip(u - t, 0, 1)--> stains --enlarge, x grain, x max--> added albedo of the texels

The threshold t is the quantile of u that leaves the perturbable share, so the share holds at every step and stains fade
out at their edges. The clipping passes gradients straight through: a cell outside the bounds can come back.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from adversaries.road_patch.shape import PatchShape, grain

WANDER = 0.5
"""How far a parameter may leave [0, 1] before it is pulled back; what lies beyond would come back too late."""


def _kernel(sigma: float) -> Tensor:
    radius = max(1, math.ceil(3.0 * sigma))
    at = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weight = torch.exp(-0.5 * (at / max(sigma, 1e-6)) ** 2)
    return weight / weight.sum()


class Cells:
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

    def stains(self) -> Tensor:
        """Return the cells after blurring and clipping, shape (rows, columns), 0-1."""
        field = self.z[None, None]
        field = F.pad(field, (0, 0, self._along.shape[2] // 2, self._along.shape[2] // 2), mode="replicate")
        field = F.conv2d(field, self._along)
        field = F.pad(field, (self._across.shape[3] // 2, self._across.shape[3] // 2, 0, 0), mode="replicate")
        field = F.conv2d(field, self._across)[0, 0]
        with torch.no_grad():
            threshold = max(0.0, float(torch.quantile(field.flatten(), 1.0 - self.shape.perturbable_share)))
            clipped = (field - threshold).clamp(0.0, 1.0)
        return field + (clipped - field).detach()

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
