"""Lightness: sRGB to CIE L*a*b* and back, and what a shadow leaves of it.

sRGB after IEC 61966-2-1 with the D65 white point, L*a*b* after CIE 15 (1976). Lightness is told on the scale of 8-bit
pictures, 0 to 255, because the attack's published threshold (120) is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.core.colour import linear_to_srgb, srgb_to_linear

FloatArray = NDArray[np.float32]

# Rows: X, Y, Z of the three primaries, divided by those of the D65 white (0.95047, 1, 1.08883).
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    dtype=np.float64,
) / np.array([[0.95047], [1.0], [1.08883]])
_FROM_XYZ = np.linalg.inv(_TO_XYZ)
_DELTA = 6.0 / 29.0

# One value at a time: the power of a whole array differs from that of one number in the last bit, and stored attacks
# were searched with these.
_LINEAR_OF_BYTE = np.array([srgb_to_linear(np.array(value)) for value in np.arange(256) / 255.0])


def to_lab(pixels: NDArray[np.uint8]) -> FloatArray:
    """Return sRGB bytes (..., 3) as L* (0-100), a*, b*."""
    ratio = _LINEAR_OF_BYTE[pixels] @ _TO_XYZ.T
    f = np.where(ratio > _DELTA**3, np.cbrt(ratio), ratio / (3.0 * _DELTA**2) + 4.0 / 29.0)
    lab = [116.0 * f[..., 1] - 16.0, 500.0 * (f[..., 0] - f[..., 1]), 200.0 * (f[..., 1] - f[..., 2])]
    stacked: FloatArray = np.stack(lab, axis=-1).astype(np.float32)
    return stacked


def from_lab(lab: FloatArray) -> FloatArray:
    """Return L*, a*, b* (..., 3) as sRGB in 0-255, not rounded; colours outside sRGB are cut."""
    wide = np.asarray(lab, dtype=np.float64)
    fy = (wide[..., 0] + 16.0) / 116.0
    f = np.stack([fy + wide[..., 1] / 500.0, fy, fy - wide[..., 2] / 200.0], axis=-1)
    ratio = np.where(f > _DELTA, f**3, 3.0 * _DELTA**2 * (f - 4.0 / 29.0))
    linear = np.clip(ratio @ _FROM_XYZ.T, 0.0, 1.0)
    pixels: FloatArray = np.clip(255.0 * linear_to_srgb(linear), 0.0, 255.0).astype(np.float32)
    return pixels


def darkened(pixels: NDArray[np.uint8], light_left: float) -> FloatArray:
    """Return a picture (..., 3) with its lightness multiplied by ``light_left``: sRGB in 0-255, not rounded."""
    lab = to_lab(pixels)
    lab[..., 0] *= np.float32(light_left)
    return from_lab(lab)


def mean_lightness(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Return the mean lightness (0-255) of the pixels (h, w, 3) inside a mask (h, w)."""
    return float(to_lab(pixels[mask])[..., 0].mean() * 2.55)
