"""Random noise as the control of a gradient attack: the same ball, the same size, no knowledge of the network."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform_noise(images: Tensor, *, epsilon: float, seed: int = 0) -> Tensor:
    """Move every value by plus or minus `epsilon` at random: the corners of the ball in which `pgd` searches.

    Args:
        images: (N, 3, H, W) in 0…1.
        epsilon: Radius of the L∞ ball.
        seed: Equal seeds give equal noise.

    Returns:
        (N, 3, H, W) in 0…1.
    """
    generator = torch.Generator().manual_seed(seed)
    sign = torch.randint(0, 2, images.shape, generator=generator).to(images) * 2.0 - 1.0
    return (images + epsilon * sign).clamp(0.0, 1.0)
