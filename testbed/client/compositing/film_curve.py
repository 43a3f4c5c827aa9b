"""Between a camera's picture and linear light: the film curve that simulators put over their pictures, in tables."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from testbed.core.colour import film_curve
from testbed.core.types import Image

BRIGHTEST = 8.0
"""Linear light that is shown as white; what is brighter cannot be told from it."""

_STEPS = 1 << 16


def displayed(linear: NDArray[np.float64]) -> Image:
    """Return linear light as a picture, uint8."""
    curve, _ = _tables()
    root = np.sqrt(np.clip(linear / BRIGHTEST, 0.0, 1.0))
    return np.asarray(curve[np.rint(root * (_STEPS - 1)).astype(np.intp)], dtype=np.uint8)


def linear(picture: Image) -> NDArray[np.float64]:
    """Return the linear light that a picture shows, float64."""
    return np.asarray(_tables()[1][picture], dtype=np.float64)


@functools.cache
def _tables() -> tuple[Image, NDArray[np.float64]]:
    """Return (display byte over the root of light, light of every display byte)."""
    light = BRIGHTEST * np.linspace(0.0, 1.0, _STEPS) ** 2
    encoded = film_curve(light)
    inverse = np.interp(np.arange(256) / 255.0, encoded, light)
    return np.floor(encoded * 255.0 + 0.5).astype(np.uint8), inverse
