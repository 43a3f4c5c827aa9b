"""How pixels enter a network: one way for every agent, in training and in the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def resize(image: NDArray[np.uint8], height_px: int, width_px: int) -> NDArray[np.uint8]:
    """Resize an RGB image of shape (h, w, 3) with antialiased bilinear filtering."""
    if image.shape[:2] == (height_px, width_px):
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width_px, height_px), Image.Resampling.BILINEAR))


def to_batch(images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Tensor:
    """Turn equally large RGB images into a float batch of shape (N, 3, H, W) in 0…1, channels last in memory."""
    import torch

    # A copy: pixels mapped from disk are read-only, which torch does not take.
    stacked = np.array(images) if isinstance(images, np.ndarray) else np.stack(list(images))
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div_(255.0)
