"""Sign crops for training, altered as whole batches: shifted, turned, seen from the side, coarsened, relit.

A batch of 64 takes some milliseconds, so that training time is the network's.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from testbed.agents.imaging import resize
from testbed.training.data.format import Split
from testbed.training.nets.loop import relight

BANK_PX = 72
"""Side of the stored crops; a little more than any network takes, so that cutting costs no detail."""
VIEW_PX = 64
COARSEST_PX = 12


def bank(split: Split) -> Tensor:
    """Return all crops of a ``tsr`` split at one size, (N, 3, 72, 72) uint8."""
    crops = np.stack([resize(split.image(i), BANK_PX, BANK_PX) for i in range(len(split))])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()


def augment(crops: Tensor, input_px: int, rng: np.random.Generator) -> Tensor:
    """Vary a batch of crops.

    Args:
        crops: (N, 3, 72, 72) uint8.
        input_px: Side of the network's input.
        rng: Source of chance.

    Returns:
        (N, 3, input_px, input_px) in 0…1, channels last in memory.
    """
    images = _coarsen(_move(crops.float().div_(255.0), rng), rng)
    if input_px != VIEW_PX:
        images = F.interpolate(images, (input_px, input_px), mode="bilinear", antialias=True, align_corners=False)
    return relight(images, rng).contiguous(memory_format=torch.channels_last)


def _move(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Cut each edge off by up to a tenth, turn by up to 7 degrees, tilt as seen from up to 15 degrees to the side."""
    count = len(images)
    low, high = rng.uniform(0.0, 0.1, (2, count, 2)) * np.array([[[1.0]], [[-1.0]]]) + np.array([[[0.0]], [[1.0]]])
    centre, half = low + high - 1.0, high - low
    angle = np.radians(rng.uniform(-7.0, 7.0, count))
    tilt = rng.uniform(-0.12, 0.12, (count, 2))
    axis = np.linspace(-1.0, 1.0, VIEW_PX) * (1.0 - 1.0 / VIEW_PX)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    c, s = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    depth = 1.0 + tilt[:, 0, None, None] * x + tilt[:, 1, None, None] * y
    u = (c * x - s * y) / depth * half[:, 0, None, None] + centre[:, 0, None, None]
    v = (s * x + c * y) / depth * half[:, 1, None, None] + centre[:, 1, None, None]
    grid = torch.from_numpy(np.stack((u, v), -1).astype(np.float32))
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _coarsen(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Make two fifths of the batch as coarse as a farther or cheaper camera would, eight crops at a time."""
    parts = []
    for part in torch.split(images, 8):
        if rng.random() < 0.4:
            side = int(rng.integers(COARSEST_PX, VIEW_PX))
            part = F.interpolate(part, (side, side), mode="bilinear", antialias=True, align_corners=False)
            part = F.interpolate(part, (VIEW_PX, VIEW_PX), mode="bilinear", align_corners=False)
        parts.append(part)
    return torch.cat(parts)
