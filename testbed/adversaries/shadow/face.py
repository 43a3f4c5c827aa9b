"""The same shadow as paint: a sign whose face is printed darker inside the polygon, whatever the sun does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.shadow.polygon import cover

FACE_PX = 256
PAPER_PX = 224.0


def light_of_lightness(light_left: float) -> float:
    """Return which share of a white plate's light leaves that share of its L* (CIE 1976, above its linear toe)."""
    lightness = 100.0 * light_left
    return float(((lightness + 16.0) / 116.0) ** 3) if lightness > 8.0 else lightness / 903.3


def painted(polygon: NDArray[np.floating], light_left: float, blur_px: float) -> NDArray[np.uint8]:
    """Return a shadow as a sign's face: black, as opaque as the light that it takes, (256, 256, 4) uint8.

    Args:
        polygon: (n, 2) in plate units.
        light_left: Share of L* that remains on a white plate.
        blur_px: Width of the soft edge on a plate 224 px wide.
    """
    side = ((np.arange(FACE_PX) + 0.5) / FACE_PX).astype(np.float32)
    x, y = np.meshgrid(side, side)
    points = np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32)
    share = cover(np.asarray(polygon, np.float32)[None], points, max(blur_px / PAPER_PX, 1e-4))[0]
    face = np.zeros((FACE_PX, FACE_PX, 4), np.uint8)
    alpha = share.reshape(FACE_PX, FACE_PX) * (1.0 - light_of_lightness(light_left))
    face[..., 3] = np.rint(255.0 * alpha).astype(np.uint8)
    return face
